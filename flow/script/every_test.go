package script_test

import (
	"testing"

	"github.com/signet-idp/signet/flow/script"
)

// TestEveryNativeName: naming anything that the interpreter has must not upset it.
func TestEveryNativeName(t *testing.T) {
	t.Parallel()
	e := newEngine(t, script.Config{})
	for _, name := range script.Natives() {
		p, err := e.Compile(inLogin(`var k = '`+name+`'; var o = {}; o.x = 'x'.`+name+`; o.y = [][k]; o.z = ({})[k]; o.f = onLoginRequest[k];`), nil)
		if err != nil {
			continue // it is not to be named at all
		}
		if _, err := e.Run(t.Context(), p, script.Memory{}, oneStep); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
