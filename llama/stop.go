package llama

/*
#include "bridge.h"
*/
import "C"

import "context"

// uncancelled is the context of calls that are over too soon to be cancelled.
var uncancelled = context.Background()

// watch sets the flag that long native calls poll when ctx is done. The
// returned function ends the watch and clears the flag; call it after the
// native call.
func watch(ctx context.Context, stop *C.rc_stop) func() {
	C.rc_stop_set(stop, 0)
	if ctx.Done() == nil {
		return func() {}
	}
	fired := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		C.rc_stop_set(stop, 1)
		close(fired)
	})
	return func() {
		if !cancel() {
			<-fired
		}
		C.rc_stop_set(stop, 0)
	}
}
