package cluster

import "testing"

func TestRefusal(t *testing.T) {
	t.Parallel()
	on := Node{Power: On, Kubelet: true}
	off := Node{Power: Off}
	frozen := Node{Power: On, Kubelet: true, Frozen: true}
	isolated := Node{Power: On, Kubelet: true, Isolated: true}
	stopped := Node{Power: On}
	allowed := map[Action][]Node{
		PowerOff:     {on, frozen, isolated, stopped},
		PowerOn:      {off},
		Shutdown:     {on, isolated, stopped},
		Freeze:       {on, isolated, stopped},
		Thaw:         {frozen},
		Isolate:      {on, frozen, stopped},
		Rejoin:       {isolated},
		KubeletStop:  {on, isolated},
		KubeletStart: {stopped},
	}
	if len(allowed) != len(Actions()) {
		t.Errorf("the table has %d actions, want all %d", len(allowed), len(Actions()))
	}
	for _, action := range Actions() {
		for _, node := range []Node{on, off, frozen, isolated, stopped} {
			want := false
			for _, n := range allowed[action] {
				want = want || n == node
			}
			if refusal := action.Refusal(node); (refusal == "") != want {
				t.Errorf("%s of %+v: refusal %q, want allowed %v", action, node, refusal, want)
			}
		}
	}
}
