/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page-table memory given back when the host is short of memory.
 */
#ifndef VELLUM_MMU_HOST_SHRINKER_H
#define VELLUM_MMU_HOST_SHRINKER_H

#include "mmu/host.h"

/* A VM's place among those whose tables can be taken. */
struct shrinkable;

/* At load and unload.  0 or -errno. */
int shrinker_init(void);
void shrinker_exit(void);

/*
 * From the one to the other @host may be shrunk at any time, by pressure in the
 * memory cgroup of whoever calls shrinker_add().  NULL without memory.  May sleep.
 */
struct shrinkable *shrinker_add(struct host *host);
void shrinker_remove(struct shrinkable *vm);

#endif
