package directory

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PasswordStrength is how well a password withstands somebody who knows how people choose them. It is advice for a page to show; what
// is accepted is the PasswordPolicy's matter.
type PasswordStrength struct {
	// Score is 0 (among the first that are tried), 1 (guessed online), 2 (guessed online without a bound), 3 (withstands a slow hash that was
	// stolen) or 4 (withstands it for long).
	Score int `json:"score"`
	// Hints say what makes it weak, by stable ids such as "password.hint.common": what weighs most comes first. A password with a Score
	// of 4 has none.
	Hints []string `json:"hints,omitempty"`
}

// The hints.
const (
	hintCommon   = "password.hint.common"   // is, or holds, one of the most common
	hintPersonal = "password.hint.personal" // holds a name of the person or the service
	hintSequence = "password.hint.sequence" // runs along the alphabet, the digits or the keyboard
	hintRepeat   = "password.hint.repeat"   // repeats itself
	hintDate     = "password.hint.date"     // holds a year or a date
	hintLonger   = "password.hint.longer"   // is short
)

// maxJudged bounds the work for one password, in characters; what comes behind only makes it better.
const maxJudged = 128

// StrengthOfPassword estimates the strength of a password for somebody of whom the words are known: names, addresses, the service. It
// is pure, and costs some microseconds.
func StrengthOfPassword(pass string, words ...string) PasswordStrength {
	text := []rune(Fold(pass))
	e := estimate{
		text: text[:min(len(text), maxJudged)], typed: []rune(pass), words: byLength(words), weights: map[string]float64{},
	}
	e.plain = []rune(unleet(string(e.text)))
	guesses := e.guesses() // in powers of ten
	s := PasswordStrength{}
	for _, bound := range []float64{3, 6, 8, 10} {
		if guesses >= bound {
			s.Score++
		}
	}
	if s.Score < 4 {
		s.Hints = e.hints()
	}
	return s
}

// estimate takes a password apart, from the front, into what somebody would try as one, and adds up what that costs.
type estimate struct {
	text, plain, typed []rune // folded; without the usual replacements too; as it was typed
	words              []string
	weights            map[string]float64 // how many characters each hint is about
}

func (e *estimate) guesses() float64 {
	var sum float64
	parts := 0
	for at := 0; at < len(e.text); {
		length, cost, hint := e.part(at)
		if hint != "" {
			e.weights[hint] += float64(length)
			parts++
		}
		sum += cost
		at += length
	}
	if slices.ContainsFunc(e.typed, unicode.IsUpper) && slices.ContainsFunc(e.typed, unicode.IsLower) {
		sum += 0.5
	}
	return sum + 0.3*float64(max(0, parts-1)) // in which order they stand
}

// part returns the longest thing at a place that is tried as one: how long it is, what it costs in powers of ten, and what there is to
// say about it. A character that is part of nothing costs what one of its alphabet does.
func (e *estimate) part(at int) (length int, cost float64, hint string) {
	length, cost = 1, e.character(e.text[at])
	better := func(n int, c float64, h string) {
		if n > length || n == length && c < cost {
			length, cost, hint = n, c, h
		}
	}
	for _, word := range e.words {
		if strings.HasPrefix(string(e.plain[at:]), word) {
			better(utf8.RuneCountInString(word), 0.5, hintPersonal)
		}
	}
	ranks := commonRanks()
	for n := min(len(e.text)-at, 24); n >= 3; n-- {
		rank := ranks[string(e.text[at:at+n])]
		if rank == 0 {
			rank = 2 * ranks[string(e.plain[at:at+n])]
		}
		if rank > 0 {
			better(n, math.Log10(float64(rank)+1), hintCommon)
			break
		}
	}
	if n := runLength(e.text[at:]); n >= 3 {
		better(n, 1+math.Log10(float64(n)), hintSequence)
	}
	if n := repeatLength(e.text[at:]); n >= 3 {
		better(n, 1+math.Log10(float64(n)), hintRepeat)
	}
	if n := dateLength(e.text[at:]); n > 0 {
		better(n, 2+float64(n-4)*0.4, hintDate)
	}
	return length, cost, hint
}

// character is what guessing one costs.
func (e *estimate) character(r rune) float64 {
	switch {
	case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)):
		return 1 // a letter of a language, not a random one
	case r < utf8.RuneSelf:
		return 1.4
	}
	return 1.7
}

func (e *estimate) hints() []string {
	var all []string
	for hint := range e.weights {
		all = append(all, hint)
	}
	slices.SortFunc(all, func(a, b string) int {
		if e.weights[a] != e.weights[b] {
			return int(math.Copysign(1, e.weights[b]-e.weights[a]))
		}
		return strings.Compare(a, b)
	})
	if len(e.text) < 15 {
		all = append(all, hintLonger)
	}
	return all
}

// keyboards are the rows of the usual ones, and their columns.
var keyboards = []string{
	"qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn", "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "!qaz@wsx#edc$rfv",
	"1q2w3e4r5t6y7u8i9o0p",
}

// runLength is how many characters in front follow each other in the alphabet, in the digits or on a keyboard, in either direction.
func runLength(text []rune) int {
	longest := 1
	for _, step := range []rune{1, -1} {
		n := 1
		for n < len(text) && text[n] == text[n-1]+step {
			n++
		}
		longest = max(longest, n)
	}
	for n := min(len(text), 28); n > max(longest, 2); n-- {
		piece := string(text[:n])
		if slices.ContainsFunc(keyboards, func(row string) bool { return strings.Contains(row, piece) || strings.Contains(row, reversed(piece)) }) {
			return n
		}
	}
	return longest
}

func reversed(s string) string {
	runes := []rune(s)
	slices.Reverse(runes)
	return string(runes)
}

// repeatLength is how many characters in front repeat a piece of up to four.
func repeatLength(text []rune) int {
	longest := 0
	for size := 1; size <= 4; size++ {
		n := size
		for n < len(text) && text[n] == text[n-size] {
			n++
		}
		if n >= 2*size {
			longest = max(longest, n)
		}
	}
	return longest
}

// dateLength is how many characters in front are a year from 1900 to 2099, or a date of eight digits or less with marks in it.
func dateLength(text []rune) int {
	digits := 0
	for digits < len(text) && digits < 8 && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	front := string(text[:digits])
	switch {
	case digits == 8 && (isYear(front[:4]) || isYear(front[4:])):
		return 8
	case digits >= 4 && isYear(front[:4]):
		return 4
	}
	return 0
}

func isYear(s string) bool { return strings.HasPrefix(s, "19") || strings.HasPrefix(s, "20") }
