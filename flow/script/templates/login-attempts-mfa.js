// Asks for a second factor after several wrong passwords.

var invalidAttemptsToStepup = 3;

var failedLoginAttemptsBeforeSuccessClaim = 'http://wso2.org/claims/identity/failedLoginAttemptsBeforeSuccess';

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            var user = context.currentKnownSubject;
            if (isExceedInvalidAttempts(user)) {
                executeStep(2, {
                    onSuccess: function (context) {
                        user.localClaims[failedLoginAttemptsBeforeSuccessClaim] = '0';
                    }
                });
            } else {
                user.localClaims[failedLoginAttemptsBeforeSuccessClaim] = '0';
            }
        }
    });
};

function isExceedInvalidAttempts(user) {
    var attempts = parseInt(user.localClaims[failedLoginAttemptsBeforeSuccessClaim], 10);
    return !isNaN(attempts) && attempts >= invalidAttemptsToStepup;
}
