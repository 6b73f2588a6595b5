// Asks for a second factor who has signed in with a password, and nobody who came by a provider or a passkey.

var authenticatorsToStepUp = ['BasicAuthenticator'];

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            if (authenticatorsToStepUp.indexOf(context.steps[1].authenticator) !== -1) {
                executeStep(2);
            }
        }
    });
};
