// Asks people of certain roles for a second factor.

var rolesToStepUp = ['admin', 'manager'];

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            var user = context.currentKnownSubject;
            if (hasAnyOfTheRolesV2(context, rolesToStepUp)) {
                Log.info(getMaskedValue(user.username) + ' has a role that needs a second factor.');
                executeStep(2);
            }
        }
    });
};
