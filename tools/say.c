// SPDX-License-Identifier: GPL-2.0
/* Error messages: one sentence that says what to do. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/kvm.h"
#include "say.h"

int say(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, format);
	fputs("vellum: ", stderr);
	vfprintf(stderr, format, args);
	fputs(".\n", stderr);
	va_end(args);
	return -1;
}

int say_errno(int error, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	va_start(args, format);
	fputs("vellum: ", stderr);
	vfprintf(stderr, format, args);
	fprintf(stderr, " (%s).\n", strerror(-error));
	va_end(args);
	return -1;
}

int say_open_failed(int error)
{
	const char *device = kvm_device();

	switch (error) {
	case -ENOENT:
	case -ENODEV:
	case -ENXIO:
		return say("%s is not there: load the module, or set VELLUM_DEV to the device",
			   device);
	case -EACCES:
	case -EPERM:
		return say("%s may not be opened by you: become root or get its group", device);
	case -EBUSY:
		return say_errno(error, "%s cannot have VT-x: unload the hypervisor that holds it",
				 device);
	case -EPROTO:
	case -ENOTTY:
		return say("%s does not speak the KVM ABI: set VELLUM_DEV to a device that does",
			   device);
	}
	return say_errno(error, "cannot make a VM with %s: see dmesg", device);
}
