package llama

/*
#include "bridge.h"
*/
import "C"

// Version is the version of llama.cpp.
func Version() string { return C.GoString(C.rc_version()) }

// SystemInfo names the instruction sets that the CPU kernels use.
func SystemInfo() string {
	setup()
	var buf [2048]C.char
	C.rc_system_info(&buf[0], C.size_t(len(buf)))
	return C.GoString(&buf[0])
}

// DeviceType tells what a device is.
type DeviceType int

// The types of devices, as ggml numbers them.
const (
	CPU DeviceType = iota
	GPU
	IntegratedGPU
	Accelerator
	Meta
)

// Device is a device that ggml can compute on.
type Device struct {
	Name        string
	Description string
	Type        DeviceType
	Free, Total uint64 // bytes
}

// Devices lists the devices of this process.
func Devices() []Device {
	setup()
	devices := make([]Device, C.rc_device_count())
	for i := range devices {
		var name, description [256]C.char
		var kind C.int
		var free, total C.size_t
		C.rc_device(C.int(i), &name[0], &description[0], C.size_t(len(name)), &kind, &free, &total)
		devices[i] = Device{
			Name: C.GoString(&name[0]), Description: C.GoString(&description[0]),
			Type: DeviceType(kind), Free: uint64(free), Total: uint64(total),
		}
	}
	return devices
}

// LiveObjects counts the native objects that are not closed yet, for leak tests.
func LiveObjects() int { return int(C.rc_live_objects()) }
