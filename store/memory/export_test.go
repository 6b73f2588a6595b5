package memory

import "github.com/signet-idp/signet/store"

// Index opens the sorted list to its test.
type Index struct{ index index }

func place(n int64) posting {
	return posting{value: store.Number(n), row: &row{}}
}

func (x *Index) Insert(n int64) { x.index.insert(place(n)) }
func (x *Index) Remove(n int64) { x.index.remove(place(n)) }

// Between returns the numbers from low to high, both included.
func (x *Index) Between(low, high int64, descending bool) []int64 {
	numbers := []int64{}
	for p := range x.index.walk(between(low, high), descending) {
		numbers = append(numbers, p.value.Number)
	}
	return numbers
}

// Size is the estimate for the same stretch.
func (x *Index) Size(low, high int64) int { return x.index.size(between(low, high)) }

func between(low, high int64) span {
	return func(p posting) int {
		switch n := p.value.Number; {
		case n < low:
			return -1
		case n > high:
			return 1
		}
		return 0
	}
}
