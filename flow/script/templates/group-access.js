// Lets only members of certain groups in.

var groups = ['employee', 'manager'];

var errorPage = '';

var errorPageParameters = {
    'status': 'Unauthorized',
    'statusMsg': 'You need to be in a group of this application to sign in.'
};

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            var user = context.currentKnownSubject;
            if (!isMemberOfAnyOfGroups(user, groups)) {
                Log.info('Refused: ' + getMaskedValue(user.username) + ' is in no group of the application.');
                if (errorPage === '') {
                    fail({ errorCode: 'access_denied', errorMessage: errorPageParameters.statusMsg });
                } else {
                    sendError(errorPage, errorPageParameters);
                }
            }
        }
    });
};
