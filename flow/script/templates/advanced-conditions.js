// Asks a service of your own how risky a login is. The URL must be among those that scripts may call.

var riskUrl = 'https://risk.example.com/score';

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            httpPost(riskUrl, {
                user: context.currentKnownSubject.uniqueId,
                ip: context.request.ip
            }, {
                'Content-Type': 'application/json'
            }, {
                type: 'clientcredential',
                properties: {
                    consumerKey: secrets.riskKey,
                    consumerSecret: secrets.riskSecret,
                    tokenEndpoint: 'https://risk.example.com/token'
                }
            }, {
                onSuccess: function (context, data) {
                    if (data.risk !== false) {
                        executeStep(2);
                    }
                },
                onFail: function (context, data) {
                    Log.error('The risk service has failed.');
                    executeStep(2);
                },
                onTimeout: function (context, data) {
                    Log.error('The risk service does not answer.');
                    executeStep(2);
                }
            });
        }
    });
};
