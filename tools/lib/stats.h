/* SPDX-License-Identifier: GPL-2.0 */
/* Binary statistics of a VM or vCPU (KVM_GET_STATS_FD), by name. */
#ifndef TOOLS_LIB_STATS_H
#define TOOLS_LIB_STATS_H

#include "kvm.h"

struct stats {
	int fd; /* -1: not offered */
	struct kvm_stats_header header;
	char *descs; /* header.num_desc of them */
};

/* Opens what fd (a VM or vCPU) offers; a negative errno when it offers none. */
int stats_open(struct stats *stats, int fd);
void stats_close(struct stats *stats);

/* Reads one value now. Returns 0, -ENOENT when there is no such name, or -errno. */
int stats_read(struct stats *stats, const char *name, uint64_t *value);

/* The name of statistic i, or NULL past the last. */
const char *stats_name(const struct stats *stats, unsigned int i);

#endif
