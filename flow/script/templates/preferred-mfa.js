// Asks for the second factor that a person prefers, and for any where that is not known.

var preferenceClaim = 'http://wso2.org/claims/identity/preferredMFAOption';

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            var preferred = preferenceOf(context.currentKnownSubject);
            var options = context.steps[2].options.filter(function (option) { return option.authenticator === preferred; });
            executeStep(2, { authenticationOptions: options }, {});
        }
    });
};

function preferenceOf(user) {
    try {
        return JSON.parse(user.localClaims[preferenceClaim]).authenticationOption;
    } catch (e) {
        return null;
    }
}
