// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls of uapi/vellum.h: what KVM's ABI does not have.
 */
#include "uapi/uapi.h"

long extension_value(unsigned long extension)
{
	switch (extension) {
	case VELLUM_EXT_DRAIN:
		return 1;
	case VELLUM_EXT_TRACKERS:
		return TRACKERS_MAX;
	default:
		return 0;
	}
}

/*
 * A vCPU that is outside the guest has an empty log, so those that are in it
 * are made to leave it for a moment; each empties its own.
 */
static long drain(struct vm *vm, unsigned long arg)
{
	if (arg)
		return -EINVAL;
	vm_drain_writes(vm);
	return 0;
}

long extend_vm_ioctl(struct vm *vm, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case VELLUM_CHECK_EXTENSION:
		return extension_value(arg);
	case VELLUM_DRAIN:
		return drain(vm, arg);
	case VELLUM_OPEN_TRACKER:
		return tracker_open(vm, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}
