// Lets people of certain roles have no more than maxSessionCount sessions: they end one, or do not come in.

var rolesToStepUp = ['admin', 'manager'];

var maxSessionCount = 1;

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            if (hasAnyOfTheRolesV2(context, rolesToStepUp)) {
                executeStep(2, {
                    authenticatorParams: {
                        local: {
                            SessionExecutor: { MaxSessionCount: '' + maxSessionCount }
                        }
                    }
                }, {});
            }
        }
    });
};
