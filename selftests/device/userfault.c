// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that userspace fills in as the guest asks for it (post-copy), and of
 * which it wants to hear before the guest writes (live snapshots): userfaultfd,
 * missing and write-protect. A vCPU waits in KVM_RUN until the page is there,
 * logged as ever; and a signal that kills gets it out.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../../tools/lib/page.h"
#include "life.h"

/* A word of each page that no guest writes: where the page came from. */
#define MARK		0x800
#define MARK_OF(page)	(0xfee00000u + (page))

struct handler {
	struct life *life;
	pthread_t thread;
	int fd;
	bool protect;			/* write-protect faults; else missing pages */
	char *snapshot;			/* each page as it was before its first write */
	uint64_t seen[LIFE_PAGES_MAX / 64];
	unsigned int served;
	int error;
	volatile bool stop;
};

FIXTURE(userfault)
{
	struct life life;
	struct handler handler;
};

FIXTURE_VARIANT(userfault)
{
	struct life_config config;
};

FIXTURE_VARIANT_ADD(userfault, bitmap)
{
	.config = {},
};

FIXTURE_VARIANT_ADD(userfault, ring)
{
	.config = { .ring = true },
};

FIXTURE_VARIANT_ADD(userfault, shared_memory)
{
	.config = { .memfd = true },
};

static int watch(struct handler *handler, uint64_t mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)handler->life->host, handler->life->bytes }, .mode = mode,
	};

	handler->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (handler->fd < 0 || ioctl(handler->fd, UFFDIO_API, &api) ||
	    ioctl(handler->fd, UFFDIO_REGISTER, &range))
		return -errno;
	return 0;
}

static int protect(struct handler *handler, uint64_t at, uint64_t bytes, bool on)
{
	struct uffdio_writeprotect range = {
		.range = { at, bytes }, .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(handler->fd, UFFDIO_WRITEPROTECT, &range) ? -errno : 0;
}

/* A page arrives: zeros and where it is from. */
static int fill(struct handler *handler, uint64_t at)
{
	static _Alignas(4096) char page[PAGE_SIZE];
	struct uffdio_copy copy = { .dst = at, .src = (uintptr_t)page, .len = PAGE_SIZE };
	uint32_t mark = MARK_OF((at - (uintptr_t)handler->life->host) / PAGE_SIZE);

	memcpy(page + MARK, &mark, sizeof(mark));
	return ioctl(handler->fd, UFFDIO_COPY, &copy) && errno != EEXIST ? -errno : 0;
}

/* What the page is before the write that waits. */
static int keep(struct handler *handler, uint64_t at)
{
	size_t offset = at - (uintptr_t)handler->life->host;
	uint64_t page = offset / PAGE_SIZE, *seen = &handler->seen[page / 64];

	/* Two vCPUs may have asked for the same page. */
	if (!(*seen >> page % 64 & 1))
		page_copy(handler->snapshot + offset, (char *)at);
	*seen |= 1ULL << page % 64;
	return protect(handler, at, PAGE_SIZE, false);
}

static void *serve(void *arg)
{
	struct handler *handler = arg;
	struct pollfd poll_fd = { .fd = handler->fd, .events = POLLIN };
	struct uffd_msg msg;
	uint64_t at;
	int ret;

	while (!handler->stop) {
		if (poll(&poll_fd, 1, 10) <= 0 ||
		    read(handler->fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		at = msg.arg.pagefault.address & ~(PAGE_SIZE - 1);
		if (msg.event != UFFD_EVENT_PAGEFAULT ||
		    handler->protect != !!(msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP))
			ret = -EPROTO;
		else
			ret = handler->protect ? keep(handler, at) : fill(handler, at);
		handler->error = handler->error ?: ret;
		handler->served++;
	}
	return NULL;
}

FIXTURE_SETUP(userfault)
{
	ASSERT_EQ(0, life_open(&self->life, &variant->config));
	self->handler = (struct handler){ .life = &self->life, .fd = -1 };
	self->handler.snapshot = mem_alloc(self->life.bytes);
	ASSERT_NE(NULL, self->handler.snapshot);
}

FIXTURE_TEARDOWN(userfault)
{
	if (self->handler.fd >= 0)
		close(self->handler.fd);
	mem_free(self->handler.snapshot, self->life.bytes);
	life_close(&self->life);
}

static int discard(struct life *life)
{
	return madvise(life->host, life->bytes, life->fd < 0 ? MADV_DONTNEED : MADV_REMOVE);
}

static int begin(struct handler *handler)
{
	handler->stop = false;
	memset(handler->seen, 0, sizeof(handler->seen));
	return pthread_create(&handler->thread, NULL, serve, handler);
}

static int end(struct handler *handler)
{
	handler->stop = true;
	pthread_join(handler->thread, NULL);
	return handler->error;
}

/* Post-copy: every page comes once the guest asks for it. */
TEST_F(userfault, missing_pages_come_as_asked_for)
{
	struct handler *handler = &self->handler;
	struct life *life = &self->life;
	uint32_t page;

	ASSERT_EQ(0, watch(handler, UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, discard(life));
	ASSERT_EQ(0, begin(handler));
	LIFE_START(life);
	life_wait(life, 3000);
	/* What was not asked for yet comes now; a copy knows it before any harvest does. */
	for (page = 0; page < life->pages; page++)
		ASSERT_EQ(MARK_OF(page), bench_page(&life->bench, page)[MARK / 4]);
	life_copy_all(life);
	life_wait(life, 1000);
	LIFE_STOP(life, false, 0);
	ASSERT_EQ(0, end(handler));
	ASSERT_LE(life->pages, handler->served);
	for (page = 0; page < life->pages; page++)
		ASSERT_EQ(MARK_OF(page), bench_page(&life->bench, page)[MARK / 4]);
}

/* Pages of what was kept, and elsewhere of what is there, that are not as they were. */
static unsigned int unlike(struct handler *handler, const char *moment)
{
	struct life *life = handler->life;
	unsigned int wrong = 0;
	uint64_t page;

	for (page = 0; page < life->pages; page++) {
		char *from = bitmap_test(handler->seen, page) ? handler->snapshot : life->host;

		wrong += !page_same(from + page * PAGE_SIZE, moment + page * PAGE_SIZE);
	}
	return wrong;
}

/*
 * A live snapshot: the memory is protected, the guest writes, and each page is
 * kept before its next write. What was kept, and elsewhere what is there at the
 * end, is the memory of one moment.
 */
TEST_F(userfault, a_snapshot_while_the_guest_writes)
{
	struct handler *handler = &self->handler;
	struct life *life = &self->life;
	char *moment = mem_alloc(life->bytes);

	handler->protect = true;
	ASSERT_EQ(0, watch(handler, UFFDIO_REGISTER_MODE_WP));
	LIFE_START(life);
	life_wait(life, 2000);
	LIFE_STOP(life, false, 0);
	ASSERT_EQ(0, protect(handler, (uintptr_t)life->host, life->bytes, true));
	memcpy(moment, life->host, life->bytes);
	ASSERT_EQ(0, begin(handler));
	LIFE_START(life);
	life_wait(life, 3000);
	LIFE_STOP(life, false, 1);
	ASSERT_EQ(0, end(handler));
	EXPECT_LT(0, handler->served);
	EXPECT_EQ(0, unlike(handler, moment));
	mem_free(moment, life->bytes);
}

/* While the guest writes: once the call has returned no write goes by unseen. */
TEST_F(userfault, protected_under_writers)
{
	struct handler *handler = &self->handler;
	struct life *life = &self->life;
	uint32_t before, lane;
	int lap;

	handler->protect = true;
	ASSERT_EQ(0, watch(handler, UFFDIO_REGISTER_MODE_WP));
	for (lap = 0; lap < LIFE_LAPS; lap++) {
		LIFE_START(life);
		lane = MBOX(&life->bench, 0, LANE);
		life_wait(life, rng_below(&life->rng, 1000));
		ASSERT_EQ(0, protect(handler, (uintptr_t)life->host, life->bytes, true));
		before = bench_host_sum(&life->bench, lane);
		usleep(2000);
		EXPECT_EQ(before, bench_host_sum(&life->bench, lane));
		ASSERT_EQ(0, begin(handler));
		LIFE_STOP(life, false, lap);
		ASSERT_EQ(0, end(handler));
	}
}

/* Nobody serves the fault: whoever waits for it can still be killed. */
TEST_F(userfault, a_vcpu_that_waits_can_be_killed)
{
	struct life *life = &self->life;
	struct life child_life;
	int status;
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child) {
		struct handler handler = { .life = &child_life };

		if (life_open(&child_life, &variant->config) ||
		    watch(&handler, UFFDIO_REGISTER_MODE_MISSING) || discard(&child_life))
			_exit(1);
		BENCH_LOAD(&child_life.bench, random);
		bench_random(&child_life.bench, 0, 1);
		if (bench_start(&child_life.bench, 0))
			_exit(2);
		bench_run(&child_life.bench, 0);
		_exit(3);
	}
	usleep(30000);
	ASSERT_EQ(0, waitpid(child, &status, WNOHANG));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	LIFE_START(life);
	life_wait(life, 1000);
	LIFE_STOP(life, false, 0);
}

TEST_HARNESS_MAIN
