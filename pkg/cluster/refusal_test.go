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

func TestAchieved(t *testing.T) {
	t.Parallel()
	on := Node{Power: On, Kubelet: true, BootID: "1"}
	again := Node{Power: On, Kubelet: true, BootID: "2"}
	unknown := Node{Power: On, Kubelet: true}
	off := Node{Power: Off}
	frozen := Node{Power: On, Kubelet: true, Frozen: true, BootID: "1"}
	isolated := Node{Power: On, Kubelet: true, Isolated: true, BootID: "1"}
	stopped := Node{Power: On, BootID: "1"}
	for _, tt := range []struct {
		action      Action
		before, now Node
		want        bool
	}{
		{PowerOff, on, off, true},
		{PowerOff, on, on, false},
		{Shutdown, on, off, true},
		{Shutdown, on, stopped, false},
		{PowerOn, off, on, true},
		{PowerOn, off, off, false},
		{PowerOn, on, on, false}, // what is seen is the machine before it went off
		{PowerOn, on, again, true},
		{PowerOn, on, unknown, true},
		{Freeze, on, frozen, true},
		{Freeze, on, on, false},
		{Thaw, frozen, on, true},
		{Thaw, frozen, frozen, false},
		{Isolate, on, isolated, true},
		{Isolate, on, on, false},
		{Rejoin, isolated, on, true},
		{Rejoin, isolated, isolated, false},
		{KubeletStop, on, stopped, true},
		{KubeletStop, on, on, false},
		{KubeletStop, on, off, false},
		{KubeletStart, stopped, on, true},
		{KubeletStart, stopped, stopped, false},
	} {
		if got := tt.action.Achieved(tt.before, tt.now); got != tt.want {
			t.Errorf("%s, before %+v, now %+v: %v, want %v", tt.action, tt.before, tt.now, got, tt.want)
		}
	}
}

func TestUndoes(t *testing.T) {
	t.Parallel()
	want := map[Action]Action{PowerOn: PowerOff, Thaw: Freeze, Rejoin: Isolate, KubeletStart: KubeletStop}
	for _, action := range Actions() {
		ended, undoes := action.Undoes()
		if undoes != (want[action] != "") || ended != want[action] {
			t.Errorf("%s undoes %q, %v; want %q", action, ended, undoes, want[action])
		}
	}
}
