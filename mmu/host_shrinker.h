/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page-table memory given back when the host is short of memory.
 */
#ifndef VELLUM_MMU_HOST_SHRINKER_H
#define VELLUM_MMU_HOST_SHRINKER_H

#include <linux/list.h>

#include "mmu/host.h"

/* A VM's place among those whose tables can be taken. */
struct shrinkable {
	struct list_head list;
	struct host *host;
};

/* At load and unload.  0 or -ENOMEM. */
int shrinker_init(void);
void shrinker_exit(void);

/* From the one to the other @host may be shrunk at any time.  May sleep. */
void shrinker_add(struct shrinkable *shrinkable, struct host *host);
void shrinker_remove(struct shrinkable *shrinkable);

#endif
