// Asks for a second factor who comes from outside of certain networks. IPv4 and IPv6.

var corpNetwork = ['192.168.1.0/24', '10.100.0.0/16'];

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            if (!isCorporateIP(context.request.ip)) {
                executeStep(2);
            }
        }
    });
};

function isCorporateIP(ip) {
    return corpNetwork.some(function (network) { return contains(network, ip); });
}

// The address is in the network when the first bits of both are the same.
function contains(network, ip) {
    var parts = network.split('/');
    var net = bitsOf(parts[0]);
    var address = bitsOf(ip);
    var length = parseInt(parts[1], 10);
    return net.length > 0 && net.length === address.length && net.slice(0, length) === address.slice(0, length);
}

function bitsOf(ip) {
    return ip.indexOf(':') === -1 ? bitsOf4(ip) : bitsOf6(ip);
}

function bitsOf4(ip) {
    var parts = ip.split('.');
    return parts.length === 4 ? parts.map(function (n) { return binary(parseInt(n, 10), 8); }).join('') : '';
}

function bitsOf6(ip) {
    var halves = ip.split('::');
    var head = groupsOf(halves[0]);
    var tail = halves.length > 1 ? groupsOf(halves[1]) : [];
    while (halves.length > 1 && head.length + tail.length < 8) {
        head.push('0');
    }
    return head.concat(tail).map(function (n) { return binary(parseInt(n, 16), 16); }).join('');
}

function groupsOf(text) {
    return text === '' ? [] : text.split(':');
}

function binary(n, length) {
    return n.toString(2).padStart(length, '0');
}
