// SPDX-License-Identifier: GPL-2.0
/*
 * The shadows of a VM: which there are, whose they are, and how they go.
 * Pure; see shadow.h.
 */
#include "mmu/shadow.h"
#include "mmu/walk.h"

/* Per hold of the lock: leaf tables that are emptied, and places looked at. */
#define DROP_TABLES 8
#define DROP_LOOKS  4096

void shadow_vcpu_init(struct shadow_vcpu *v, struct mmu *mmu, struct table_cache *l1_tables,
		      struct ring *ring)
{
	*v = (struct shadow_vcpu){
		.mmu = mmu,
		.l1_tables = l1_tables,
		.ring = ring,
		.tables.no_split = true,
	};
}

void shadow_vcpu_exit(struct shadow_vcpu *v)
{
	if (v->shadow)
		shadow_leave(v);
	table_cache_drain(&v->tables);
	table_cache_drain(&v->heads);
	if (v->links)
		rmap_links_free(v->links);
	v->links = NULL;
}

static void shadows_free(struct shadows *shadows)
{
	int i;

	for (i = 0; shadows && i < SHADOW_LEVELS; i++)
		if (shadows->heads[i])
			table_free(shadows->heads[i]);
	kfree(shadows);
}

static struct shadows *shadows_alloc(void)
{
	struct shadows *shadows = kzalloc(sizeof(*shadows), GFP_KERNEL_ACCOUNT);
	int i;

	for (i = 0; shadows && i < SHADOW_LEVELS; i++) {
		shadows->heads[i] = table_alloc(true);
		if (!shadows->heads[i]) {
			shadows_free(shadows);
			return NULL;
		}
	}
	return shadows;
}

/* The VM has struct shadows from now on. */
static int shadows_begin(struct mmu *mmu)
{
	struct shadows *shadows;

	if (mmu_has_shadows(mmu))
		return 0;
	shadows = shadows_alloc();
	if (!shadows)
		return -ENOMEM;
	write_lock(&mmu->lock);
	if (!mmu->shadows) {
		WRITE_ONCE(mmu->shadows, shadows);
		shadows = NULL;
	}
	write_unlock(&mmu->lock);
	shadows_free(shadows); /* another vCPU's are there */
	return 0;
}

static void shadow_free(struct shadow *shadow)
{
	if (shadow->root)
		table_free(shadow->root);
	kfree(shadow);
}

static struct shadow *shadow_alloc(u64 eptp)
{
	struct shadow *shadow = kzalloc(sizeof(*shadow), GFP_KERNEL_ACCOUNT);

	if (!shadow)
		return NULL;
	shadow->eptp = eptp;
	shadow->root = table_alloc(true);
	if (shadow->root)
		return shadow;
	kfree(shadow);
	return NULL;
}

/* Holds the shadow of @eptp; @new where there is none.  May be NULL.  Write lock held. */
static struct shadow *hold(struct shadows *shadows, u64 eptp, struct shadow *new)
{
	struct shadow *shadow = shadows->first;

	while (shadow && shadow->eptp != eptp)
		shadow = shadow->next;
	if (!shadow && new) {
		shadow = new;
		shadow->next = shadows->first;
		shadows->first = shadow;
		shadows->nr++;
	}
	if (shadow)
		shadow->users++;
	return shadow;
}

/* The one that was left longest ago is taken from the list; NULL: all may stay. */
static struct shadow *take_surplus(struct mmu *mmu)
{
	struct shadows *shadows = mmu->shadows;
	struct shadow **at, **oldest = NULL, *shadow = NULL;

	write_lock(&mmu->lock);
	for (at = &shadows->first; *at; at = &(*at)->next)
		if (!(*at)->users && (!oldest || (*at)->used < (*oldest)->used))
			oldest = at;
	if (oldest && shadows->nr > SHADOWS_KEPT) {
		shadow = *oldest;
		*oldest = shadow->next;
		shadows->nr--;
	}
	write_unlock(&mmu->lock);
	return shadow;
}

/* The next GFN, @gfn included, at which there is something; EPT_MAX_GFN + 1: no more. */
static gfn_t next_there(u64 *root, gfn_t gfn, unsigned int *looks)
{
	while (gfn <= EPT_MAX_GFN && *looks) {
		int level;

		--*looks;
		if (READ_ONCE(*walk_end_of(root, gfn, &level)) || level == 1)
			break;
		gfn = (gfn | (EPT_LEVEL_PAGES(level) - 1)) + 1;
	}
	return gfn;
}

/* A part of drop(), in one hold of the lock.  Returns where to go on. */
static gfn_t drop_some(struct zap *zap, u64 *root, gfn_t gfn)
{
	unsigned int looks = DROP_LOOKS, i;

	for (i = 0; i < DROP_TABLES && looks; i++) {
		gfn = next_there(root, gfn, &looks);
		if (gfn > EPT_MAX_GFN || !looks)
			break;
		zap->start = gfn;
		zap->end = (gfn | (EPT_TABLE_ENTRIES - 1)) + 1;
		zap_tree(zap, root);
		gfn = zap->end;
	}
	return gfn;
}

/* Takes away all that is below @root, as @zap says how, in bounded holds of the lock. */
static void drop(struct zap *zap, u64 *root)
{
	struct mmu *mmu = zap->mmu;
	gfn_t gfn = 0;

	while (gfn <= EPT_MAX_GFN) {
		write_lock(&mmu->lock);
		gfn = drop_some(zap, root, gfn);
		atomic_long_sub(zap->buried, &mmu->shadows->nr_tables);
		zap->buried = 0;
		write_unlock(&mmu->lock);
	}
}

static void drop_leaves(struct mmu *mmu, struct shadow *shadow, const struct slots *slots,
			struct tlb_batch *batch)
{
	struct zap zap = {
		.mmu = mmu,
		.slots = slots,
		.batch = batch,
		.entries = rmap_zap_leaves,
	};

	drop(&zap, shadow->root);
}

/* Tables of heads go with what is in them. */
static void drop_heads(struct mmu *mmu, const struct slots *slots, struct tlb_batch *batch)
{
	struct zap zap = {
		.mmu = mmu,
		.slots = slots,
		.batch = batch,
		.entries = rmap_zap_heads,
	};
	int i;

	for (i = 0; i < SHADOW_LEVELS; i++)
		drop(&zap, mmu->shadows->heads[i]);
}

/* Translations by its root may be cached: it is freed after the flush. */
static void bury(struct mmu *mmu, struct shadow *shadow, const struct slots *slots,
		 struct tlb_batch *batch)
{
	struct zap zap = {
		.mmu = mmu,
		.slots = slots,
		.end = EPT_MAX_GFN + 1,
		.batch = batch,
		.entries = rmap_zap_leaves,
	};

	drop_leaves(mmu, shadow, slots, batch);
	/* A fault that lost a race may have left tables in which nothing ever was. */
	write_lock(&mmu->lock);
	zap_tree(&zap, shadow->root);
	atomic_long_sub(zap.buried, &mmu->shadows->nr_tables);
	write_unlock(&mmu->lock);
	table_bury(batch, shadow->root);
	kfree(shadow);
}

/* The vCPU has this one, which is held, and lets go of the one it had only now. */
static void replace(struct shadow_vcpu *v, struct shadow *shadow)
{
	if (v->shadow)
		shadow_leave(v);
	v->shadow = shadow;
}

int shadow_use(struct shadow_vcpu *v, u64 eptp, const struct slots *slots, struct tlb_batch *batch)
{
	struct shadow *shadow, *new, *surplus;
	struct mmu *mmu = v->mmu;

	eptp &= SHADOW_EPTP_MASK;
	if (v->shadow && v->shadow->eptp == eptp)
		return 0;
	if (shadows_begin(mmu))
		return -ENOMEM;
	write_lock(&mmu->lock);
	shadow = hold(mmu->shadows, eptp, NULL);
	write_unlock(&mmu->lock);
	if (shadow) {
		replace(v, shadow);
		return 0;
	}

	new = shadow_alloc(eptp);
	if (!new)
		return -ENOMEM;
	write_lock(&mmu->lock);
	shadow = hold(mmu->shadows, eptp, new);
	write_unlock(&mmu->lock);
	if (shadow != new)
		shadow_free(new);
	replace(v, shadow);
	/* A CPU may know the page as the root of something else, long gone. */
	batch->flush = true;
	while ((surplus = take_surplus(mmu)))
		bury(mmu, surplus, slots, batch);
	return 0;
}

void shadow_leave(struct shadow_vcpu *v)
{
	struct mmu *mmu = v->mmu;

	write_lock(&mmu->lock);
	v->shadow->users--;
	v->shadow->used = ++mmu->shadows->clock;
	write_unlock(&mmu->lock);
	v->shadow = NULL;
}

/* Lets go of @shadow, which may be NULL, and holds the next one after it: NULL, there is none. */
static struct shadow *hold_next(struct mmu *mmu, struct shadow *shadow)
{
	struct shadow *next;

	write_lock(&mmu->lock);
	next = shadow ? shadow->next : mmu->shadows->first;
	if (next)
		next->users++;
	if (shadow)
		shadow->users--;
	write_unlock(&mmu->lock);
	return next;
}

void shadow_invept(struct mmu *mmu, u64 eptp, const struct slots *slots, struct tlb_batch *batch)
{
	struct shadow *shadow = NULL;

	if (!mmu_has_shadows(mmu))
		return;
	/* What is mapped is the same with A/D flags and without (SDM 3C 29.4.3.1). */
	while ((shadow = hold_next(mmu, shadow)))
		if (eptp == SHADOW_ALL || !((shadow->eptp ^ eptp) & EPT_ADDR_MASK))
			drop_leaves(mmu, shadow, slots, batch);
}

void shadows_shrink(struct mmu *mmu, const struct slots *slots, struct tlb_batch *batch)
{
	if (!mmu_has_shadows(mmu))
		return;
	shadow_invept(mmu, SHADOW_ALL, slots, batch);
	drop_heads(mmu, slots, batch);
}

void shadows_destroy(struct mmu *mmu)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct shadows *shadows = mmu->shadows;
	struct shadow *shadow;

	if (!shadows)
		return;
	while ((shadow = shadows->first)) {
		WARN_ON_ONCE(shadow->users);
		shadows->first = shadow->next;
		bury(mmu, shadow, NULL, &batch);
	}
	drop_heads(mmu, NULL, &batch);
	ept_free_dead(&batch);
	mmu->shadows = NULL;
	shadows_free(shadows);
}
