/* SPDX-License-Identifier: GPL-2.0 */
/* What world_op() chooses from, beside what ops.c itself has. */
#ifndef VELLUM_UNIT_OPS_H
#define VELLUM_UNIT_OPS_H

#include "world.h"

/*
 * Sometimes all access bits of a slot are taken just before a harvest or
 * before logging begins: then the SPTEs say nothing of what a TLB still allows.
 */
void age_all(struct world *w, const struct oslot *os);

/* ops_host.c */
void op_age(struct world *w);
void op_invalidate(struct world *w);
void op_huge(struct world *w);
void op_collapse(struct world *w);
/* The owner maps the page again, for all: that takes nothing away, so nobody is notified. */
void mend_page(struct world *w, gfn_t gfn);

/* ops_slot.c */
void op_slot(struct world *w);
void op_flags(struct world *w);
void op_coarse(struct world *w);

#endif
