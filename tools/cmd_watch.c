// SPDX-License-Identifier: GPL-2.0
/* vellum watch: what the demo guest dirties, round by round, by ring or bitmap. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd.h"
#include "demo.h"
#include "say.h"
#include "show_stats.h"

#define BAR_WIDTH 32 /* parts that memory is shown in */

struct watch {
	struct demo demo;
	uint64_t *dirty;
	bool bitmap;
	bool stats;
};

static int take_ring(struct watch *watch)
{
	struct kvm_dirty_gfn entry;
	unsigned int i;
	int ret;

	memset(watch->dirty, 0, mem_bitmap_bytes(&watch->demo.mem));
	for (i = 0; i < watch->demo.vcpus; i++)
		while (ring_next(&watch->demo.vcpu[i], &entry))
			if (entry.offset < demo_pages(&watch->demo))
				watch->dirty[entry.offset / 64] |= 1ULL << entry.offset % 64;
	ret = vm_reset_rings(&watch->demo.vm);
	for (i = 0; i < watch->demo.vcpus; i++)
		worker_ring_has_room(&watch->demo.worker[i]);
	return ret < 0 ? say_errno(ret, "the rings cannot be reset: see dmesg") : 0;
}

static int take_bitmap(struct watch *watch)
{
	int ret = vm_get_log(&watch->demo.vm, &watch->demo.mem, watch->dirty);

	return ret ? say_errno(ret, "the dirty bitmap cannot be read: see dmesg") : 0;
}

static void show(const struct watch *watch, unsigned int round)
{
	uint64_t pages = demo_pages(&watch->demo), page, total = 0;
	uint64_t part[BAR_WIDTH] = { 0 };
	unsigned int i;

	for (page = 0; page < pages; page++) {
		if (!bitmap_test(watch->dirty, page))
			continue;
		part[page * BAR_WIDTH / pages]++;
		total++;
	}
	printf("%5u %8llu  [", round, (unsigned long long)total);
	for (i = 0; i < BAR_WIDTH; i++) {
		uint64_t tenths = part[i] * BAR_WIDTH * 10 / pages;

		putchar(!part[i] ? ' ' : tenths < 1 ? '.' : tenths < 5 ? ':' : '#');
	}
	printf("]\n");
	fflush(stdout);
}

static int rounds(struct watch *watch, uint64_t count, uint64_t interval_ms)
{
	const struct timespec interval = {
		.tv_sec = interval_ms / 1000,
		.tv_nsec = interval_ms % 1000 * 1000000,
	};
	unsigned int round;

	if (demo_set_logging(&watch->demo, true))
		return -1;
	printf("The dirty %s, every %llu ms; the bar is the guest's memory from its start to its "
	       "end.\n%5s %8s\n",
	       watch->bitmap ? "bitmap" : "ring", (unsigned long long)interval_ms, "round",
	       "pages");
	for (round = 1; round <= count; round++) {
		nanosleep(&interval, NULL);
		if (demo_failed(&watch->demo) ||
		    (watch->bitmap ? take_bitmap(watch) : take_ring(watch)))
			return -1;
		show(watch, round);
	}
	return 0;
}

static void show_counts(const struct watch *watch)
{
	char title[32];
	unsigned int i;

	show_stats(watch->demo.vm.fd, "Statistics of the VM");
	for (i = 0; i < watch->demo.vcpus; i++) {
		snprintf(title, sizeof(title), "Statistics of vCPU %u", i);
		show_stats(watch->demo.vcpu[i].fd, title);
	}
}

static int watch_guest(struct watch *watch, const struct demo_options *options, uint64_t count,
		       uint64_t interval_ms)
{
	int ret;

	watch->dirty = calloc(mem_bitmap_bytes(&watch->demo.mem), 1);
	if (!watch->dirty)
		return say("there is no memory for a bitmap: give a smaller --mem");
	ret = demo_load(&watch->demo, options) ?: demo_start(&watch->demo);
	if (!ret) {
		ret = demo_wait_epochs(&watch->demo, 1) ?: rounds(watch, count, interval_ms);
		demo_stop(&watch->demo);
		if (!ret && watch->stats)
			show_counts(watch);
	}
	free(watch->dirty);
	return ret;
}

int cmd_watch(int argc, char **argv)
{
	static struct watch watch;
	struct demo_options options = { .vcpus = 1, .ring_entries = 65536 };
	uint64_t bitmap = 0, stats = 0, count = 10, interval = 100;
	const struct option_spec specs[] = {
		{ "bitmap", &bitmap, 0, 1, 1 },
		{ "stats", &stats, 0, 1, 1 },
		{ "rounds", &count, 1, 1 << 20, 0 },
		{ "interval", &interval, 1, 60000, 0 },
		{ "mem", &options.mem_mib, 4, 1024, 0 },
		{ "hot", &options.hot, 1, 1 << 20, 0 },
		{ "seed", &options.seed, 0, UINT64_MAX, 0 },
		{},
	};
	int others, ret;

	options.mem_mib = 64;
	options.hot = 128;
	options.sweep = 128;
	options.seed = 1;
	others = options_parse(argc, argv, specs);
	if (others > 0)
		say("watch takes options only, not %s: see vellum --help", argv[0]);
	if (others)
		return EXIT_USAGE;
	watch.bitmap = bitmap;
	watch.stats = stats;
	if (bitmap)
		options.ring_entries = 0;
	if (demo_open(&watch.demo, &options))
		return EXIT_BAD;
	ret = watch_guest(&watch, &options, count, interval);
	demo_close(&watch.demo);
	return ret ? EXIT_BAD : EXIT_GOOD;
}
