// SPDX-License-Identifier: GPL-2.0
/* vellum info: which device, how it tracks writes, and what it offers. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/kvm.h"
#include "lib/tracker.h"
#include "say.h"
#include "show_stats.h"

/* Number and name of each capability that <linux/kvm.h> has for x86; made by the Makefile. */
static const struct cap_name {
	unsigned int cap;
	const char *name;
} cap_names[] = {
#include "caps.inc"
};

static void show_parameter(const char *module, const char *name)
{
	char path[512], value[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
	file = fopen(path, "r");
	if (!file)
		return;
	if (fgets(value, sizeof(value), file)) {
		value[strcspn(value, "\n")] = 0;
		printf("  %-32s %s\n", name, value);
	}
	fclose(file);
}

static int show_parameters(const char *module)
{
	char path[128];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters", module);
	dir = opendir(path);
	if (!dir)
		return say("%s is missing: mount /sys and load the module", path);
	printf("Parameters of the module %s\n", module);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			show_parameter(module, entry->d_name);
	closedir(dir);
	return 0;
}

static void show_capabilities(int fd)
{
	const struct cap_name *cap, *end = cap_names + sizeof(cap_names) / sizeof(*cap_names);
	unsigned int offered = 0, not_offered = 0;
	int value;

	printf("Capabilities\n");
	for (cap = cap_names; cap < end; cap++) {
		value = kvm_cap(fd, cap->cap);
		if (value <= 0) {
			not_offered++;
			continue;
		}
		printf("  %3u %-36s %d\n", cap->cap, cap->name, value);
		offered++;
	}
	printf("  %u offered, %u not\n", offered, not_offered);
}

/* What uapi/vellum.h has beyond KVM's ABI; nothing on another device. */
static void show_extensions(int fd)
{
	static const struct cap_name extensions[] = {
		{ VELLUM_EXT_DRAIN, "DRAIN" },
		{ VELLUM_EXT_TRACKERS, "TRACKERS" },
		{ VELLUM_EXT_MARK, "MARK" },
		{ VELLUM_EXT_RING_EVENT, "RING_EVENT" },
		{ VELLUM_EXT_BOUNDED, "BOUNDED" },
		{ VELLUM_EXT_TRACKING, "TRACKING" },
		{ 0, NULL },
	};
	const struct cap_name *ext;
	int value;

	printf("Beyond KVM's\n");
	for (ext = extensions; ext->name; ext++) {
		value = vellum_extension(fd, ext->cap);
		if (value)
			printf("  %3u %-36s %d\n", ext->cap, ext->name, value);
	}
}

static void show_statistics(struct vm *vm)
{
	struct vcpu vcpu;

	show_stat_names(vm->fd, "Statistics of a VM");
	if (vcpu_open(vm, &vcpu, 0))
		return;
	show_stat_names(vcpu.fd, "Statistics of a vCPU");
	vcpu_close(&vcpu);
}

int cmd_info(int argc, char **argv)
{
	const struct option_spec specs[] = { {} };
	int others = options_parse(argc, argv, specs);
	struct vm vm;
	int ret;

	if (others > 0)
		say("info takes no arguments, not %s: see vellum --help", argv[0]);
	if (others)
		return EXIT_USAGE;
	ret = vm_open(&vm);
	if (ret) {
		say_open_failed(ret);
		return EXIT_BAD;
	}
	printf("Device %s, KVM API version %d\n", kvm_device(), KVM_API_VERSION);
	ret = show_parameters(kvm_device_is_kvm() ? "kvm_intel" : "vellum");
	show_capabilities(vm.fd);
	show_extensions(vm.fd);
	show_statistics(&vm);
	vm_close(&vm);
	return ret ? EXIT_BAD : EXIT_GOOD;
}
