// Asks members of certain groups for a second factor.

var groupsToStepUp = ['admin', 'manager'];

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            if (isMemberOfAnyOfGroups(context.currentKnownSubject, groupsToStepUp)) {
                executeStep(2);
            }
        }
    });
};
