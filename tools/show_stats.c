// SPDX-License-Identifier: GPL-2.0
/* Statistics as people read them. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/stats.h"
#include "show_stats.h"

void show_stats(int fd, const char *title)
{
	struct stats stats;
	unsigned int i;
	uint64_t value;

	if (stats_open(&stats, fd)) {
		printf("%s: the device offers none\n", title);
		return;
	}
	printf("%s\n", title);
	for (i = 0; stats_name(&stats, i); i++)
		if (!stats_read(&stats, stats_name(&stats, i), &value) && value)
			printf("  %-32s %" PRIu64 "\n", stats_name(&stats, i), value);
	stats_close(&stats);
}

void show_stat_names(int fd, const char *title)
{
	struct stats stats;
	unsigned int i;

	if (stats_open(&stats, fd))
		return;
	printf("%s\n", title);
	for (i = 0; stats_name(&stats, i); i++)
		printf("%s%s", i % 4 ? " " : i ? "\n  " : "  ", stats_name(&stats, i));
	printf("\n");
	stats_close(&stats);
}
