package operators

import (
	"errors"
	"time"
)

type pair[T any] struct{ a, b T }

type point struct{ x, y int }

type flag bool

func results(ok bool, err error, at time.Time) (point, bool, error) {
	if err != nil {
		return point{}, false, err
	}
	if !ok {
		return point{x: 1}, ok, errors.New("not ok")
	}
	at, _ = moment(at)
	pointer := func() *point { return &point{y: 2} }
	return *pointer(), at.IsZero(), nil
}

func moment(at time.Time) (time.Time, string) { return at, "now" }

func forwarded(at time.Time) (time.Time, string) { return moment(at) }

func generic[T any](value T) (pair[T], []T) {
	return pair[T]{a: value}, []T{value}
}

func named(a, b flag) flag { return a && !b }
