package operators

import "sync"

type counter struct {
	lock sync.Mutex
	n    int
	seen []string
	ch   chan int
}

func (c *counter) statements(names []string) {
	c.lock.Lock()
	defer c.lock.Unlock()
	first := true
	for _, name := range names {
		if name == "" {
			continue
		}
		if name == "again" {
			use(name)
			continue
		}
		c.seen = append(c.seen, name)
		first = false
		c.n--
		_ = first
	}
	c.ch <- len(names)
	use(c)
	if c.n < 0 {
		panic("negative")
	}
	go use(func() { c.n = 1 })
}
