// SPDX-License-Identifier: GPL-2.0
/*
 * What happens in the world of world.h in the middle of something else: other CPUs
 * between the MMU's look and its write, the host between its answer and its use.
 */
#include "world.h"

/* Hooks have no argument; there is one world at a time. */
static struct world *current_world;

/*
 * Between the MMU's look at an entry and its write: another CPU uses the page,
 * as far as that needs no lock.
 */
static void race_hook(void)
{
	struct world *w = current_world;
	struct fault fault = {};
	enum cpu_result result;
	struct vcpu *v;
	hfn_t hfn;
	gfn_t gfn;

	if (!w->race_budget || w->rnd(4))
		return;
	w->race_budget--;
	v = world_idle_vcpu(w);
	if (!v || (w->ring && ring_is_soft_full(&v->ring)))
		return;
	env_race_hook = NULL;
	if (!w->rnd(3)) {
		l2_race(w, v);
		env_race_hook = race_hook;
		return;
	}
	v->busy = true;
	gfn = w->rnd(2) ? w->hot : world_pick_gfn(w);
	fault.gpa = gfn << PAGE_SHIFT;
	fault.write = w->rnd(4);
	result = cpu_access(&v->cpu, gfn, fault.write ? CPU_WRITE : CPU_READ, &hfn);
	if (result == CPU_VIOLATION) {
		vcpu_exit(w, v);
		if (vcpu_restore(w, v, &fault))
			result = cpu_access(&v->cpu, gfn, fault.write ? CPU_WRITE : CPU_READ, &hfn);
	}
	if (result == CPU_DONE) {
		oracle_access(w, gfn, hfn, fault.write);
		w->stats.races++;
	}
	v->busy = false;
	env_race_hook = race_hook;
}

/* The host found the page, the fault has not used it yet. */
static void after_lookup(void)
{
	struct world *w = current_world;
	unsigned int index;
	struct oslot *os;
	struct vcpu *v;

	if (!w->racy || !w->race_budget || w->depth > 2 || w->rnd(8))
		return;
	w->race_budget--;
	w->depth++;
	os = oracle_slot(w, w->hot);
	v = world_idle_vcpu(w);
	if (w->rnd(2) && v) {
		vcpu_access(w, v, w->hot, w->rnd(2) ? CPU_WRITE : CPU_READ);
	} else if (os) {
		index = host_index(slot_hva(os->slot, w->hot));
		world_invalidate_begin(w, index, 1);
		host_split_huge(index);
		host_replace(index);
		world_invalidate_end(w, index, 1);
		w->stats.lost_races++;
	}
	w->depth--;
}

/* A page that the host shares is about to be written: the copy takes its place. */
static void before_copy(unsigned int index, bool begin)
{
	if (begin) {
		world_invalidate_begin(current_world, index, 1);
	} else {
		world_invalidate_end(current_world, index, 1);
		current_world->stats.copied++;
	}
}

static void on_walk(struct fake_cpu *cpu, gfn_t gfn)
{
	struct oslot *os = oracle_slot(current_world, gfn);

	if (os)
		current_world->accessed[host_index(slot_hva(os->slot, gfn))] = true;
}

/* A large mapping of the host becomes 512 smaller ones: it tells of all its pages. */
static void before_split(unsigned int index, unsigned int n, bool begin)
{
	if (begin)
		world_invalidate_begin(current_world, index, n);
	else
		world_invalidate_end(current_world, index, n);
	current_world->stats.host_splits += begin;
}

void races_begin(struct world *w)
{
	unsigned int i;

	current_world = w;
	fake_host.after_lookup = after_lookup;
	fake_host.before_copy = before_copy;
	fake_host.before_split = before_split;
	for (i = 0; i < NR_VCPUS; i++)
		w->vcpu[i].cpu.on_walk = on_walk;
	env_race_hook = w->racy ? race_hook : NULL;
}

void races_end(struct world *w)
{
	env_race_hook = NULL;
	w->racy = false;
}
