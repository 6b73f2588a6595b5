// Asks an analytics engine, which the host provides as callElastic, how risky a login is.

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            callElastic({
                username: context.currentKnownSubject.username,
                userStoreDomain: context.currentKnownSubject.userStoreDomain
            }, {
                onSuccess: function (context, data) {
                    if (data.riskScore > 0) {
                        executeStep(2);
                    }
                },
                onFail: function (context, data) {
                    Log.info('There is no risk score.');
                    executeStep(2);
                }
            });
        }
    });
};
