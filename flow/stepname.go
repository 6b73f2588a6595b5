package flow

import (
	"fmt"
	"maps"
	"regexp"

	"github.com/signet-idp/signet/store/directory"
)

var stepName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// CheckStepName returns why a host cannot call a step so that is done elsewhere, where its name is part of the URL at which people come
// back (CallbackPath) and the Method of its evidence: nil for 1 to 32 lower-case letters, digits and hyphens with a letter in front. The names
// of the built-in steps are taken, and those of the ways in which sign-ins begin: what was proven elsewhere must not pass for a password.
// The suffixes are what the names of further steps of the same thing end in.
func CheckStepName(name string, suffixes ...string) error {
	if !stepName.MatchString(name) {
		return fmt.Errorf("the name %q is not 1 to 32 lower-case letters, digits and hyphens with a letter in front", name)
	}
	builtIn := builtInSteps()
	for _, suffix := range append(suffixes, "") {
		if step := name + suffix; builtIn[step] != nil || (directory.Evidence{Method: step, UserVerified: true}).Begins() {
			return fmt.Errorf("the name %q is taken: %q is a step that is built in", name, step)
		}
	}
	return nil
}

// builtInSteps are the Executors that there may be without the host's, by name; they are good for nothing else.
func builtInSteps() map[string]Executor {
	steps, _, _ := new(Config).builtIn(nil) // without passkeys there is no error
	maps.Copy(steps, passkeys{}.executors())
	maps.Copy(steps, new(certificates).executors())
	steps[chooseOption] = chooser{}
	return steps
}
