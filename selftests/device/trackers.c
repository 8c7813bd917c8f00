// SPDX-License-Identifier: GPL-2.0
/*
 * Trackers. Invariants 1 and 3 for each of several consumers, whatever the others
 * take: model bitmaps go beside the ABI's view and two trackers' through random
 * writes, marks, harvests, commits and give-backs. What a tracker takes and does not
 * commit is not lost, not with its descriptor either; what it cannot have seen it
 * is told. And what its ioctls refuse.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <sys/wait.h>

#include "../../tools/lib/tracker.h"
#include "vm.h"

#define PAGES		1000		/* 15 words of 64, and 40 */
#define WORDS		16
#define TRACKERS	2
#define ODD_GPA		(DATA_GPA + 3 * PAGE_SIZE)

static const uint64_t none[WORDS];

/* What one tracker ought to know. */
struct model {
	int fd;
	uint64_t owed[WORDS];
	uint64_t held[WORDS];
};

FIXTURE(trackers)
{
	struct bench bench;
	struct rng rng;
	uint64_t abi[WORDS];
	struct model model[TRACKERS];
	uint64_t real[WORDS];
};

FIXTURE_VARIANT(trackers)
{
	uint64_t manual;
	uint32_t ring_entries;
};

FIXTURE_VARIANT_ADD(trackers, get)
{
};

FIXTURE_VARIANT_ADD(trackers, manual_protect)
{
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
};

FIXTURE_VARIANT_ADD(trackers, initially_set)
{
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
};

FIXTURE_VARIANT_ADD(trackers, ring)
{
	.ring_entries = 4096,
};

static int open_tracker(struct vm *vm, uint32_t id, uint32_t flags)
{
	return tracker_open(vm, id, &flags);
}

FIXTURE_SETUP(trackers)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_gpa = ODD_GPA,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES, .manual = variant->manual,
		.ring_entries = variant->ring_entries,
	};
	int i;

	if (kvm_device_is_kvm())
		SKIP_IN_SETUP("KVM has no trackers");
	self->rng.state = bench_seed();
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	for (i = 0; i < TRACKERS; i++) {
		self->model[i].fd = open_tracker(&self->bench.vm, i * 7, 0);
		ASSERT_LE(0, self->model[i].fd);
	}
	if (variant->manual & KVM_DIRTY_LOG_INITIALLY_SET) {
		memset(self->abi, 0xff, sizeof(self->abi));
		self->abi[WORDS - 1] = (1ULL << PAGES % 64) - 1;
	}
}

FIXTURE_TEARDOWN(trackers)
{
	int i;

	for (i = 0; i < TRACKERS; i++)
		close(self->model[i].fd);
	bench_close(&self->bench);
}

static int count(const uint64_t *words)
{
	int i, n = 0;

	for (i = 0; i < WORDS; i++)
		n += __builtin_popcountll(words[i]);
	return n;
}

static void add(uint64_t *to, const uint64_t *words)
{
	int i;

	for (i = 0; i < WORDS; i++)
		to[i] |= words[i];
}

static void set_all(uint64_t *words)
{
	memset(words, 0xff, WORDS * sizeof(*words));
	words[WORDS - 1] = (1ULL << PAGES % 64) - 1;
}

static void wrote(FIXTURE_DATA(trackers) *self, const uint64_t *words)
{
	int i;

	add(self->abi, words);
	for (i = 0; i < TRACKERS; i++)
		add(self->model[i].owed, words);
}

static bool write_some(FIXTURE_DATA(trackers) *self)
{
	uint32_t pages[200], n = rng_below(&self->rng, 200), i;
	uint64_t words[WORDS] = { 0 };

	for (i = 0; i < n; i++) {
		pages[i] = rng_below(&self->rng, 4) ? rng_below(&self->rng, PAGES) :
						      PAGES - 1 - rng_below(&self->rng, 3);
		words[pages[i] / 64] |= 1ULL << pages[i] % 64;
	}
	wrote(self, words);
	return bench_touch(&self->bench, pages, n, 0) == KVM_EXIT_IO;
}

/* The host writes, and says so. */
static bool mark_some(FIXTURE_DATA(trackers) *self)
{
	uint32_t first = rng_below(&self->rng, PAGES), num = rng_below(&self->rng, PAGES - first);
	bool whole = rng_below(&self->rng, 2);
	uint64_t mask[WORDS], words[WORDS] = { 0 };
	uint32_t i;

	for (i = 0; i < WORDS; i++)
		mask[i] = rng_next(&self->rng);
	for (i = 0; i < num; i++)
		if (whole || bitmap_test(mask, i))
			words[(first + i) / 64] |= 1ULL << (first + i) % 64;
	wrote(self, words);
	return mark_pages(self->bench.vm.fd, &self->bench.data, first, num,
			  whole ? NULL : mask) == num;
}

/* GET is what the ABI is owed; it takes it, or CLEAR does so with a part. */
static bool harvest_abi(FIXTURE_DATA(trackers) *self, bool manual)
{
	struct kvm_clear_dirty_log clear = {
		.slot = self->bench.data.id, .num_pages = PAGES, .dirty_bitmap = self->real,
	};
	int i;

	if (vm_get_log(&self->bench.vm, &self->bench.data, self->real) ||
	    memcmp(self->real, self->abi, sizeof(self->abi)))
		return false;
	if (!manual) {
		memset(self->abi, 0, sizeof(self->abi));
		return true;
	}
	for (i = 0; i < WORDS; i++) {
		if (rng_below(&self->rng, 2))
			self->real[i] &= rng_next(&self->rng);
		self->abi[i] &= ~self->real[i];
	}
	return !vm_clear_log(&self->bench.vm, &clear);
}

static bool take(FIXTURE_DATA(trackers) *self, struct model *model)
{
	int64_t got = tracker_take(model->fd, &self->bench.data, self->real, 0);

	if (count(model->held))
		return got == -EBUSY;
	if (got != count(model->owed) || memcmp(self->real, model->owed, sizeof(model->owed)))
		return false;
	memcpy(model->held, model->owed, sizeof(model->held));
	memset(model->owed, 0, sizeof(model->owed));
	return true;
}

/* All that is held, or a part of it. */
static bool settle(FIXTURE_DATA(trackers) *self, struct model *model)
{
	bool all = rng_below(&self->rng, 2), back = rng_below(&self->rng, 2);
	uint64_t mask[WORDS], settled[WORDS];
	const void *bitmap = all ? NULL : mask;
	int64_t got;
	int i;

	for (i = 0; i < WORDS; i++) {
		mask[i] = all ? ~0ULL : rng_next(&self->rng);
		settled[i] = model->held[i] & mask[i];
		model->held[i] &= ~mask[i];
	}
	if (back)
		add(model->owed, settled);
	got = back ? tracker_give_back(model->fd, &self->bench.data, bitmap) :
		     tracker_commit(model->fd, &self->bench.data, bitmap);
	return got == count(settled);
}

TEST_F(trackers, follow_the_model)
{
	struct model *model;
	int round;

	for (round = 0; round < 150; round++) {
		model = &self->model[rng_below(&self->rng, TRACKERS)];
		switch (rng_below(&self->rng, 5)) {
		case 0:
			ASSERT_TRUE(harvest_abi(self, variant->manual)) TH_LOG("round %d", round);
			break;
		case 1:
			ASSERT_TRUE(take(self, model)) TH_LOG("round %d", round);
			break;
		case 2:
			ASSERT_TRUE(settle(self, model)) TH_LOG("round %d", round);
			break;
		case 3:
			ASSERT_TRUE(mark_some(self)) TH_LOG("round %d", round);
			break;
		default:
			ASSERT_TRUE(write_some(self));
			/* The ring is another's. */
			while (variant->ring_entries && ring_next(&self->bench.vcpu[0],
								  &(struct kvm_dirty_gfn){}))
				;
			if (variant->ring_entries)
				ASSERT_LE(0, vm_reset_rings(&self->bench.vm));
		}
	}
	ASSERT_TRUE(harvest_abi(self, variant->manual));
	for (round = 0; round < TRACKERS; round++) {
		model = &self->model[round];
		ASSERT_LE(0, tracker_give_back(model->fd, &self->bench.data, NULL));
		add(model->owed, model->held);
		memset(model->held, 0, sizeof(model->held));
		ASSERT_TRUE(take(self, model));
	}
}

/* One that comes later is told nothing of what was before it, and those that are there all. */
TEST_F(trackers, begins_with_its_making)
{
	struct model *model = &self->model[1];

	ASSERT_TRUE(write_some(self));
	close(model->fd);
	memset(model->owed, 0, sizeof(model->owed));
	model->fd = open_tracker(&self->bench.vm, 3, VELLUM_TRACKER_NEW);
	ASSERT_LE(0, model->fd);
	ASSERT_TRUE(take(self, model));
	EXPECT_EQ(0, count(self->real));
	ASSERT_TRUE(write_some(self));
	ASSERT_TRUE(take(self, model));
	ASSERT_TRUE(take(self, &self->model[0]));
	ASSERT_TRUE(harvest_abi(self, variant->manual));
}

/* The last that goes leaves the ABI what it was owed. */
TEST_F(trackers, leave_the_abis_own)
{
	int i;

	ASSERT_TRUE(write_some(self));
	for (i = 0; i < TRACKERS; i++) {
		ASSERT_TRUE(take(self, &self->model[i]));
		close(self->model[i].fd);
		self->model[i].fd = -1;
	}
	ASSERT_TRUE(harvest_abi(self, variant->manual));
}

TEST_F(trackers, kept_ones_go_on)
{
	struct model *model = &self->model[1];
	uint32_t flags = VELLUM_TRACKER_KEEP;

	close(model->fd);
	model->fd = tracker_open(&self->bench.vm, 5, &flags);
	ASSERT_LE(0, model->fd);
	EXPECT_EQ(VELLUM_TRACKER_KEEP, flags);
	memset(model->owed, 0, sizeof(model->owed));
	EXPECT_EQ(-EBUSY, open_tracker(&self->bench.vm, 5, 0));
	ASSERT_TRUE(write_some(self));
	ASSERT_TRUE(take(self, model));
	ASSERT_TRUE(write_some(self));

	/* It dies with what it took: whoever comes after it is told that, and the rest. */
	close(model->fd);
	ASSERT_TRUE(write_some(self));
	add(model->owed, model->held);
	memset(model->held, 0, sizeof(model->held));
	EXPECT_EQ(-EEXIST, open_tracker(&self->bench.vm, 5, VELLUM_TRACKER_NEW));
	flags = 0;
	model->fd = tracker_open(&self->bench.vm, 5, &flags);
	ASSERT_LE(0, model->fd);
	EXPECT_EQ(VELLUM_TRACKER_RESUMED, flags);
	ASSERT_TRUE(take(self, model));

	/* And this one was not to be kept. */
	close(model->fd);
	memset(model->held, 0, sizeof(model->held));
	ASSERT_TRUE(write_some(self));
	flags = VELLUM_TRACKER_NEW;
	model->fd = tracker_open(&self->bench.vm, 5, &flags);
	ASSERT_LE(0, model->fd);
	memset(model->owed, 0, sizeof(model->owed));
	ASSERT_TRUE(take(self, model));
}

/* What no tracker can have seen: a slot while it was not logged, and one that is new. */
TEST_F(trackers, told_all_that_they_could_not_see)
{
	struct model *model = &self->model[0];
	struct bench *b = &self->bench;
	struct mem gone = b->data;
	uint32_t page = 17;

	ASSERT_TRUE(take(self, model));
	ASSERT_EQ(0, bench_set_flags(b, 0));
	EXPECT_EQ(-ENOENT, tracker_take(model->fd, &b->data, self->real, 0));
	EXPECT_EQ(-ENOENT, tracker_commit(model->fd, &b->data, NULL));
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(b, &page, 1, 0));
	ASSERT_EQ(0, bench_set_flags(b, KVM_MEM_LOG_DIRTY_PAGES));
	memset(model->held, 0, sizeof(model->held));
	set_all(model->owed);
	ASSERT_TRUE(take(self, model));
	ASSERT_EQ(PAGES, tracker_commit(model->fd, &b->data, NULL));
	ASSERT_EQ(0, tracker_take(model->fd, &b->data, self->real, 0));

	gone.size = 0;
	ASSERT_EQ(0, vm_set_mem(&b->vm, &gone));
	EXPECT_EQ(-ENOENT, tracker_take(model->fd, &b->data, self->real, 0));
	ASSERT_EQ(0, vm_set_mem(&b->vm, &b->data));
	EXPECT_EQ(PAGES, tracker_take(model->fd, &b->data, self->real, VELLUM_TAKE_COMMIT));
	EXPECT_EQ(0, tracker_take(model->fd, &b->data, self->real, VELLUM_TAKE_COMMIT));
}

/* A slot that moves keeps what everybody is owed of it. */
TEST_F(trackers, follow_a_slot_that_moves)
{
	struct model *model = &self->model[0];
	struct bench *b = &self->bench;

	ASSERT_TRUE(write_some(self));
	ASSERT_TRUE(take(self, model));
	ASSERT_TRUE(write_some(self));
	b->data.gpa += 64 * PAGE_SIZE;
	ASSERT_EQ(0, vm_set_mem(&b->vm, &b->data));
	ASSERT_TRUE(write_some(self));
	ASSERT_EQ(count(model->held), tracker_give_back(model->fd, &b->data, NULL));
	add(model->owed, model->held);
	memset(model->held, 0, sizeof(model->held));
	ASSERT_TRUE(take(self, model));
	ASSERT_TRUE(take(self, &self->model[1]));
}

TEST_F(trackers, ranges)
{
	struct model *model = &self->model[0];
	struct vellum_pages pages = {
		.slot = self->bench.data.id, .first_page = 128, .num_pages = 64,
		.bitmap = (uintptr_t)self->real,
	};
	uint32_t list[] = { 0, 127, 128, 191, 192, PAGES - 1 };

	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, list, 6, 0));
	ASSERT_EQ(0, kvm_ioctl(model->fd, VELLUM_TAKE, &pages));
	EXPECT_EQ(2, pages.count);
	EXPECT_EQ(1ULL | 1ULL << 63, self->real[0]);
	EXPECT_EQ(-EBUSY, kvm_ioctl(model->fd, VELLUM_TAKE, &pages));
	pages.first_page = 192;
	pages.num_pages = PAGES - 192;
	ASSERT_EQ(0, kvm_ioctl(model->fd, VELLUM_TAKE, &pages));
	EXPECT_EQ(2, pages.count);
	EXPECT_EQ(4, tracker_commit(model->fd, &self->bench.data, NULL));
	ASSERT_EQ(2, tracker_take(model->fd, &self->bench.data, self->real, VELLUM_TAKE_COMMIT));
	EXPECT_EQ(1, self->real[0]);
	EXPECT_EQ(1ULL << 63, self->real[1]);
}

/* A consumer in a process of its own: the descriptor is all it needs. */
TEST_F(trackers, used_by_another_process)
{
	struct model *model = &self->model[0];
	int status;
	pid_t child;

	ASSERT_TRUE(write_some(self));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(!take(self, model));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(count(model->owed), tracker_commit(model->fd, &self->bench.data, NULL));
	EXPECT_EQ(0, tracker_take(model->fd, &self->bench.data, self->real, 0));
}

TEST_F(trackers, refuse)
{
	static const unsigned long requests[] = { VELLUM_TAKE, VELLUM_COMMIT, VELLUM_GIVE_BACK };
	struct model *model = &self->model[0];
	struct bench *b = &self->bench;
	struct vellum_tracker open = { .id = 1 };
	const uint64_t bitmap = (uintptr_t)self->real;
	const struct {
		struct vellum_pages pages;
		int error;
	} bad[] = {
		{ { .slot = 100, .num_pages = PAGES, .bitmap = bitmap }, -ENOENT },
		{ { .slot = ~0u, .num_pages = PAGES, .bitmap = bitmap }, -EINVAL },
		{ { .slot = 1, .num_pages = PAGES, .bitmap = bitmap, .flags = 2 }, -EINVAL },
		{ { .slot = 1, .num_pages = PAGES, .bitmap = bitmap, .reserved = { 0, 0, 1 } },
		  -EINVAL },
		{ { .slot = 1, .num_pages = PAGES - 1, .bitmap = bitmap }, -EINVAL },
		{ { .slot = 1, .num_pages = ~63ULL, .bitmap = bitmap }, -EINVAL },
		{ { .slot = 1, .num_pages = PAGES, .bitmap = bitmap, .first_page = 1 }, -EINVAL },
		{ { .slot = 1, .num_pages = 64, .bitmap = bitmap, .first_page = 1024 }, -EINVAL },
		{ { .slot = 1, .num_pages = PAGES, .bitmap = 8 }, -EFAULT },
	};
	struct vellum_pages pages;
	unsigned int i, k;

	EXPECT_LE(8, vellum_extension(b->vm.fd, VELLUM_EXT_TRACKERS));
	ASSERT_EQ(1, b->data.id);
	ASSERT_TRUE(write_some(self));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-EFAULT, kvm_ioctl(model->fd, requests[i], (void *)8));
		for (k = 0; k < ARRAY_SIZE(bad); k++) {
			pages = bad[k].pages;
			EXPECT_EQ(bad[k].error, kvm_ioctl(model->fd, requests[i], &pages))
				TH_LOG("call %u, case %u", i, k);
		}
		EXPECT_EQ(-ENOTTY, kvm_ioctl(b->vm.fd, requests[i], &pages));
	}
	EXPECT_EQ(-ENOTTY, kvm_ioctl(model->fd, VELLUM_DRAIN, NULL));
	EXPECT_EQ(-ENOTTY, kvm_ioctl(model->fd, KVM_RUN, NULL));
	/* All of it had no effect; what could not be handed over was not taken. */
	ASSERT_TRUE(take(self, model));

	EXPECT_EQ(-EBUSY, open_tracker(&b->vm, 0, 0));
	EXPECT_EQ(-EINVAL, open_tracker(&b->vm, vellum_extension(b->vm.fd, VELLUM_EXT_TRACKERS),
					0));
	EXPECT_EQ(-EINVAL, open_tracker(&b->vm, 1, VELLUM_TRACKER_RESUMED));
	open.reserved[0] = 1;
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.fd, VELLUM_OPEN_TRACKER, &open));
	EXPECT_EQ(-EFAULT, kvm_ioctl(b->vm.fd, VELLUM_OPEN_TRACKER, (void *)8));
	EXPECT_EQ(0, memcmp(self->model[1].held, none, sizeof(none)));
}

TEST_HARNESS_MAIN
