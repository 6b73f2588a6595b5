// Asks people of certain user stores for a second factor.

var userStoresToStepUp = ['EMPLOYEES', 'CONTRACTORS'];

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            var user = context.steps[1].subject;
            if (userStoresToStepUp.indexOf(user.userStoreDomain) !== -1) {
                executeStep(2);
            }
        }
    });
};
