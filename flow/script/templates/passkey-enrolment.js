// Lets people who have no passkey yet sign in otherwise, and make one on the way.

var onLoginRequest = function (context) {
    executeStep(1, {
        onFail: function (context) {
            var scenario = context.request.params.scenario;
            if (scenario != null && scenario[0] === 'INIT_FIDO_ENROLL') {
                var otherOptions = filterAuthenticators(context.steps[1].options, 'FIDOAuthenticator');
                executeStep(1, {
                    authenticationOptions: otherOptions
                }, {
                    onSuccess: function (context) {
                        executeStep(1, {
                            stepOptions: { forceAuth: 'true' },
                            authenticationOptions: [{ authenticator: 'FIDOAuthenticator' }]
                        }, {});
                    }
                });
            } else {
                fail({ errorCode: 'access_denied' });
            }
        }
    });
};
