package directory

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/signet-idp/signet/internal/strictjson"
)

// maxImportLine is the longest line of a file, in bytes.
const maxImportLine = 256 << 10

// JSONLines reads rows for an Import: one JSON object a line, with the members of ImportRow and no others. What is no such
// object, or longer than 256 KiB, is one rejected row. An error of r ends the rows. The sequence can be walked once.
func JSONLines(r io.Reader) iter.Seq2[*ImportRow, error] {
	return func(yield func(*ImportRow, error) bool) {
		in := bufio.NewReaderSize(r, maxImportLine+1)
		for first := true; ; first = false {
			line, err := nextLine(in)
			if _, isInvalid := errors.AsType[*InvalidError](err); err != nil && !isInvalid {
				if !errors.Is(err, io.EOF) {
					yield(nil, fmt.Errorf("directory: reading rows: %w", err))
				}
				return
			}
			if first {
				line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")) // a byte order mark
			}
			var row *ImportRow
			if line = bytes.TrimSpace(line); err == nil && len(line) > 0 {
				row, err = decodeRow(line)
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// nextLine returns the next line, good until the next call, or io.EOF; the error is an *InvalidError, and the line is
// skipped, when it is too long.
func nextLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, &InvalidError{Field: "row", Problem: fmt.Sprintf("is longer than %d bytes", maxImportLine)}
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = nil
	}
	return line, err
}

func decodeRow(line []byte) (*ImportRow, error) {
	row := new(ImportRow)
	if err := strictjson.Unmarshal(line, row, strictjson.RefuseUnknown()); err != nil {
		return nil, &InvalidError{Field: "row", Problem: "is not a JSON object of the known members: " + err.Error()}
	}
	return row, nil
}
