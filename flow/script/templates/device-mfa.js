// Knows browsers by a signed cookie. From one that it does not know a person gets a mail, and is asked for a second factor.

var cookieName = 'deviceAuth';

var sendNotification = true;
var stepUpAuthentication = true;
var emailTemplate = 'UnseenDeviceLogin';

// Two years, in seconds.
var deviceRememberPeriod = 60 * 60 * 24 * 365 * 2;

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            var user = context.currentKnownSubject;
            if (validateCookie(context, user)) {
                return;
            }
            Log.info(getMaskedValue(user.username) + ' comes with a device that is new.');
            if (sendNotification) {
                sendEmail(user, emailTemplate, {
                    'username': user.username,
                    'login-time': new Date().toISOString(),
                    'ip': context.request.ip
                });
            }
            if (stepUpAuthentication) {
                executeStep(2, {
                    onSuccess: function (context) {
                        setDeviceCookie(context, user);
                    }
                });
            } else {
                setDeviceCookie(context, user);
            }
        }
    });
};

var setDeviceCookie = function (context, user) {
    setCookie(context.response, cookieName, user.uniqueId, { 'max-age': deviceRememberPeriod, 'sign': true, 'secure': true });
};

var validateCookie = function (context, user) {
    return getCookieValue(context.request, cookieName, { 'validateSignature': true }) === user.uniqueId;
};
