// Bounds how often a code by mail may be wrong, and sent again.

var onLoginRequest = function (context) {
    executeStep(1);
    executeStep(2, {
        authenticatorParams: {
            local: {
                'email-otp-authenticator': {
                    enableRetryFromAuthenticator: 'true',
                    maximumAllowedFailureAttempts: '3',
                    maximumAllowedResendAttempts: '3',
                    terminateOnResendLimitExceeded: 'true'
                }
            }
        }
    }, {
        onFail: function (context) {
            fail({ errorCode: 'access_denied', errorMessage: 'Too many codes.' });
        }
    });
};
