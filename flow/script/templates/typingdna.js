// Has the way that a person types judged, by verifyUserWithTypingDNA of the host.

var onLoginRequest = function (context) {
    executeStep(1, {
        onSuccess: function (context) {
            verifyUserWithTypingDNA(context, {
                onSuccess: function (context, data) {
                    if (!data.isTypingPatternReceived || !data.result || data.comparedPatterns < 1) {
                        executeStep(2);
                    }
                },
                onFail: function (context, data) {
                    executeStep(2);
                }
            });
        }
    });
};
