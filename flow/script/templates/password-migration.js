// Takes over passwords from an older provider, one by one as people sign in: what that provider accepts becomes the password here.

var startUrl = 'https://old.example.com/authentication/start';
var pollUrl = 'https://old.example.com/authentication/poll';
var statusUrl = 'https://old.example.com/authentication/status';

var isMigratedClaim = 'http://wso2.org/claims/is_migrated';

var username = '';
var password = '';

var onLoginRequest = function (context) {
    doLogin();
};

var doLogin = function () {
    executeStep(1, {
        onFail: function (context) {
            if (context.request.params.username == null || context.request.params.password == null) {
                doLogin();
                return;
            }
            username = context.request.params.username[0];
            password = context.request.params.password[0];
            var users = getUsersWithClaimValues({ 'http://wso2.org/claims/username': username }, context);
            if (users.length !== 1 || users[0].localClaims[isMigratedClaim] === 'true') {
                doLogin();
                return;
            }
            migrate(users[0]);
        }
    });
};

var migrate = function (user) {
    httpPost(startUrl, { username: username, password: password }, { 'Content-Type': 'application/json' }, {
        onSuccess: function (context, data) {
            if (data.message !== 'Received') {
                doLogin();
                return;
            }
            prompt('internalWait', {
                waitingType: 'POLLING',
                waitingConfigs: {
                    greeting: 'Please wait',
                    message: 'Your account is being prepared.',
                    timeout: '10',
                    pollingEndpoint: pollUrl,
                    requestData: 'contextId=' + data.contextId
                }
            }, {
                onSuccess: function (context) { checkStatus(user, data.contextId); },
                onFail: function (context) { doLogin(); }
            });
        },
        onFail: function (context) { doLogin(); },
        onTimeout: function (context) { doLogin(); }
    });
};

var checkStatus = function (user, contextId) {
    httpPost(statusUrl, { contextId: contextId }, { 'Content-Type': 'application/json' }, {
        onSuccess: function (context, data) {
            if (data.status !== 'SUCCESS') {
                doLogin();
                return;
            }
            updateUserPassword(user, password, {
                onSuccess: function (context) {
                    user.localClaims[isMigratedClaim] = 'true';
                    executeStep(1, {
                        stepOptions: { forceAuth: 'true' },
                        authenticatorParams: {
                            local: { BasicAuthenticator: { username: username, password: password } }
                        }
                    }, {});
                },
                onFail: function (context) { doLogin(); }
            });
        },
        onFail: function (context) { doLogin(); }
    });
};
