// Refuses people who are younger than ageLimit.

var ageLimit = 18;

// Where to send those who are too young: the URL of a page, or '' for the one of the login.
var errorPage = '';

var errorPageParameters = {
    'status': 'You are not old enough',
    'statusMsg': 'You need to be over ' + ageLimit + ' years old to use this application.'
};

// The claim with the date of birth, as 2001-12-31.
var birthDateClaim = 'http://wso2.org/claims/dob';

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            var dateOfBirth = context.currentKnownSubject.localClaims[birthDateClaim];
            if (!isValidDate(dateOfBirth) || getAge(dateOfBirth) < ageLimit) {
                Log.info('Refused for the age limit.');
                if (errorPage === '') {
                    fail({ errorCode: 'access_denied', errorMessage: errorPageParameters.statusMsg });
                } else {
                    sendError(errorPage, errorPageParameters);
                }
            }
        }
    });
};

var isValidDate = function (date) {
    return !!date && re2('^[0-9]{4}-[0-9]{2}-[0-9]{2}$', date) !== null;
};

var getAge = function (date) {
    var born = new Date(date);
    var now = new Date();
    var age = now.getUTCFullYear() - born.getUTCFullYear();
    var months = now.getUTCMonth() - born.getUTCMonth();
    if (months < 0 || (months === 0 && now.getUTCDate() < born.getUTCDate())) {
        age = age - 1;
    }
    return age;
};
