package directory

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// commonPasswords are the most common ones, the commonest first.
//
//go:embed common_passwords.txt
var commonPasswords string

// commonRanks is where in that list a password stands, in small letters, counted from 1.
var commonRanks = sync.OnceValue(func() map[string]int {
	ranks := map[string]int{}
	for _, word := range strings.Fields(commonPasswords) {
		if ranks[word] == 0 {
			ranks[word] = len(ranks) + 1
		}
	}
	return ranks
})

// Blocklist is a file of passwords that nobody may have, beside those that this package knows: from breaches, or words of the
// host's business. It is safe for concurrent use.
type Blocklist struct {
	file   io.Closer // nil when all is in memory
	at     io.ReaderAt
	offset int64
	n      int64
}

const (
	blocklistMagic = "signet blocklist 1\n"
	blocklistEntry = 8
	// maxBlocklistText is the largest list that is read from text when a program starts.
	maxBlocklistText = 64 << 20
)

// OpenBlocklist opens a list of passwords. It is one of two:
//
//   - what WriteBlocklist made: eight bytes for each password. It is searched where it lies, and closed by Close, if fsys gives it out as
//     an io.ReaderAt, as os.DirFS does; otherwise it is read into memory.
//   - UTF-8 text of up to 64 MiB with one password a line; see WriteBlocklist.
func OpenBlocklist(fsys fs.FS, name string) (*Blocklist, error) {
	list, err := openBlocklist(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("directory: blocklist %s: %w", name, err)
	}
	return list, nil
}

func openBlocklist(fsys fs.FS, name string) (*Blocklist, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	head := make([]byte, len(blocklistMagic))
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, f.Close())
	}
	if at, ok := f.(io.ReaderAt); ok && string(head[:n]) == blocklistMagic {
		list, err := newBlocklist(at, info.Size())
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		list.file = f
		return list, nil
	}
	list, err := readBlocklist(io.MultiReader(bytes.NewReader(head[:n]), f), string(head[:n]) == blocklistMagic)
	return list, errors.Join(err, f.Close())
}

// readBlocklist reads all of a list into memory.
func readBlocklist(r io.Reader, compiled bool) (*Blocklist, error) {
	var all bytes.Buffer
	if compiled {
		if _, err := all.ReadFrom(r); err != nil {
			return nil, err
		}
	} else {
		limited := &io.LimitedReader{R: r, N: maxBlocklistText + 1}
		if err := WriteBlocklist(&all, limited); err != nil {
			return nil, err
		}
		if limited.N == 0 {
			return nil, fmt.Errorf("is text of more than %d bytes: WriteBlocklist makes a file of it that need not be read whole", maxBlocklistText)
		}
	}
	return newBlocklist(bytes.NewReader(all.Bytes()), int64(all.Len()))
}

func newBlocklist(at io.ReaderAt, size int64) (*Blocklist, error) {
	entries := size - int64(len(blocklistMagic))
	if entries < 0 || entries%blocklistEntry != 0 {
		return nil, errors.New("is cut off")
	}
	return &Blocklist{at: at, offset: int64(len(blocklistMagic)), n: entries / blocklistEntry}, nil
}

// WriteBlocklist makes a file for OpenBlocklist of a text with one password a line, of which case does not matter. A line of 40
// hexadecimal digits, with or without a colon and a number behind them, is a SHA-1 hash, as lists of stolen passwords have them; of
// those case does. All entries are in memory while it works: 8 bytes each.
func WriteBlocklist(w io.Writer, passwords io.Reader) error {
	var entries []uint64
	lines := bufio.NewScanner(passwords)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		switch hash, _, _ := strings.Cut(line, ":"); {
		case line == "":
		case !utf8.ValidString(line):
			return errors.New("directory: the list of passwords is not UTF-8")
		case isSHA1(hash):
			sum, _ := hex.DecodeString(hash[:2*blocklistEntry])
			entries = append(entries, binary.BigEndian.Uint64(sum))
		default:
			entries = append(entries, blocklistHash(Fold(line)))
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	slices.Sort(entries)
	out := bufio.NewWriter(w)
	_, _ = out.WriteString(blocklistMagic) // a bufio.Writer keeps its error for Flush
	for _, e := range slices.Compact(entries) {
		_, _ = out.Write(binary.BigEndian.AppendUint64(nil, e))
	}
	return out.Flush()
}

func isSHA1(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 2*sha1.Size
}

// blocklistHash is how a password stands in a list: two in 10^19 meet by chance. It hides nothing.
func blocklistHash(s string) uint64 {
	sum := sha1.Sum([]byte(s))
	return binary.BigEndian.Uint64(sum[:])
}

// Contains reports whether a password is on the list. An error is that of reading the file.
func (l *Blocklist) Contains(pass string) (bool, error) {
	for _, form := range []string{norm.NFC.String(pass), Fold(pass)} {
		if found, err := l.search(blocklistHash(form)); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

func (l *Blocklist) search(want uint64) (bool, error) {
	var entry [blocklistEntry]byte
	low, high := int64(0), l.n
	for low < high {
		middle := low + (high-low)/2
		if _, err := l.at.ReadAt(entry[:], l.offset+middle*blocklistEntry); err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("directory: blocklist: %w", err)
		}
		switch have := binary.BigEndian.Uint64(entry[:]); {
		case have == want:
			return true, nil
		case have < want:
			low = middle + 1
		default:
			high = middle
		}
	}
	return false, nil
}

// Len is how many passwords are on the list.
func (l *Blocklist) Len() int64 { return l.n }

// Close closes the file, if one is open.
func (l *Blocklist) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// isCommon reports whether a password is, or is made in the usual way of, one that everybody tries first.
func (d *Directory) isCommon(pass string) (bool, error) {
	if isCommon(pass) {
		return true, nil
	}
	if d.blocklist == nil {
		return false, nil
	}
	return d.blocklist.Contains(pass)
}

func isCommon(pass string) bool {
	ranks := commonRanks()
	plain := Fold(pass)
	bare := strings.TrimFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) && !strings.ContainsRune(leetSpelled, r) })
	core := strings.TrimFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, form := range []string{plain, unleet(plain), bare, unleet(bare), core, unleet(core)} {
		little := utf8.RuneCountInString(plain)-utf8.RuneCountInString(form) <= maxDecoration
		if little && (ranks[form] > 0 || ranks[period(form)] > 0) {
			return true
		}
	}
	return len(plain) <= 64 && len(period(plain)) <= 2 // how often it is repeated beyond that, nobody guesses
}

// maxDecoration is how much around a common password leaves it one: "password2031!".
const maxDecoration = 5

// period is what a text repeats, or the text.
func period(s string) string {
	for n := 1; n <= len(s)/2; n++ {
		if len(s)%n == 0 && strings.Repeat(s[:n], len(s)/n) == s {
			return s[:n]
		}
	}
	return s
}

const leetSpelled = "0134579@$!|+"

// unleet undoes the usual replacements of letters.
func unleet(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '0':
			return 'o'
		case '1', '!', '|':
			return 'i'
		case '3':
			return 'e'
		case '4', '@':
			return 'a'
		case '5', '$':
			return 's'
		case '7', '+':
			return 't'
		case '9':
			return 'g'
		}
		return r
	}, s)
}

// leastBeyond is how many characters a password must have beyond the names in it.
const leastBeyond = 6

// isPersonal reports whether a password has little more to it than words that are known.
func isPersonal(pass string, words []string) bool {
	rest := unleet(Fold(pass))
	whole := utf8.RuneCountInString(rest)
	for _, word := range byLength(words) {
		rest = strings.ReplaceAll(rest, word, "")
	}
	left := utf8.RuneCountInString(rest)
	return left < whole && left < leastBeyond
}

// byLength lists words, and the parts they have, in the form in which they are compared, the longest first.
func byLength(words []string) []string {
	var all []string
	for _, word := range words {
		word = Fold(word)
		parts := strings.FieldsFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		for _, part := range append(parts, word, strings.Join(parts, "")) {
			if utf8.RuneCountInString(part) >= 3 {
				all = append(all, unleet(part))
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}
