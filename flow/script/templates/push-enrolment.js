// Lets people who have no device for push messages yet prove themselves otherwise, and register one on the way.

var onLoginRequest = function (context) {
    executeStep(1, {
        onFail: function (context) {
            var scenario = context.request.params.scenario;
            if (scenario != null && scenario[0] === 'INIT_PUSH_ENROLL') {
                executeStep(2, {
                    onSuccess: function (context) {
                        executeStep(1, {
                            stepOptions: {
                                forceAuth: 'true',
                                markAsSubjectIdentifierStep: 'true',
                                markAsSubjectAttributeStep: 'true'
                            },
                            authenticationOptions: [{ authenticator: 'push-notification-authenticator' }]
                        }, {});
                    }
                });
            } else {
                fail({ errorCode: 'access_denied' });
            }
        }
    });
};
