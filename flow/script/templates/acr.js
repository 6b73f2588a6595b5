// Takes the steps that the authentication context asks for which the application has requested.

// The supported classes, the strongest first.
var supportedAcrValues = ['acr3', 'acr2', 'acr1'];

var onLoginRequest = function (context) {
    var selectedAcr = selectAcrFrom(context, supportedAcrValues);
    Log.info('The class of this login: ' + selectedAcr);
    context.selectedAcr = selectedAcr === null ? 'acr1' : selectedAcr;
    switch (selectedAcr) {
        case 'acr2':
            executeStep(1);
            executeStep(2);
            break;
        case 'acr3':
            executeStep(1);
            executeStep(3);
            break;
        default:
            executeStep(1);
    }
};
