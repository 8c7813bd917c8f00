// SPDX-License-Identifier: GPL-2.0
/*
 * VELLUM_RING_EVENT. Invariant 7 for who sleeps until a ring has something to read:
 * the event comes when so many entries are in use and not before, once, and again
 * after a RESET that gave something back, also if that left the watermark reached;
 * a consumer that knows nothing but the event misses none. And what is refused.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "../../tools/lib/tracker.h"
#include "vm.h"

#define PAGES		2048
#define RING_ENTRIES	2048
#define RESERVE		(512 + 64)	/* below which KVM_RUN ends */
#define MARK		100
#define WRITES		20000

static uint32_t list[PAGES];

FIXTURE(ringevent)
{
	struct bench bench;
	int event;
};

static int set_event(struct vcpu *vcpu, int fd, uint32_t watermark)
{
	struct vellum_ring_event event = { .fd = fd, .watermark = watermark };

	return kvm_ioctl(vcpu->fd, VELLUM_RING_EVENT, &event);
}

FIXTURE_SETUP(ringevent)
{
	const struct bench_config config = {
		.vcpus = 1, .ring_entries = RING_ENTRIES, .data_pages = PAGES,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};
	uint32_t i;

	if (kvm_device_is_kvm())
		SKIP_IN_SETUP("KVM has no such call");
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	for (i = 0; i < PAGES; i++)
		list[i] = i;
	self->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT_LE(0, self->event);
	ASSERT_EQ(0, set_event(&self->bench.vcpu[0], self->event, MARK));
}

FIXTURE_TEARDOWN(ringevent)
{
	close(self->event);
	bench_close(&self->bench);
}

/* How many events there were since this was last asked. */
static int events(FIXTURE_DATA(ringevent) *self)
{
	uint64_t count;

	return read(self->event, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static bool write_pages(FIXTURE_DATA(ringevent) *self, uint32_t first, uint32_t num)
{
	return bench_touch(&self->bench, list + first, num, 0) == KVM_EXIT_IO;
}

static int give_back(FIXTURE_DATA(ringevent) *self, int max)
{
	struct kvm_dirty_gfn entry;
	int n = 0;

	while (n < max && ring_next(&self->bench.vcpu[0], &entry))
		n++;
	return vm_reset_rings(&self->bench.vm) == n ? n : -1;
}

TEST_F(ringevent, once_at_the_watermark)
{
	ASSERT_TRUE(write_pages(self, 0, MARK - 1));
	EXPECT_EQ(0, events(self));
	ASSERT_TRUE(write_pages(self, MARK - 1, 1));
	EXPECT_EQ(1, events(self));
	ASSERT_TRUE(write_pages(self, MARK, 2 * MARK));
	EXPECT_EQ(0, events(self)) TH_LOG("it came twice");

	/* All is given back: from the beginning. */
	ASSERT_EQ(3 * MARK, give_back(self, PAGES));
	EXPECT_EQ(0, events(self));
	ASSERT_TRUE(write_pages(self, 0, MARK - 1));
	EXPECT_EQ(0, events(self));
	ASSERT_TRUE(write_pages(self, MARK - 1, 1));
	EXPECT_EQ(1, events(self));
}

/* Who gives back less than he must is told so at once: nobody else would. */
TEST_F(ringevent, again_when_reset_leaves_it_reached)
{
	ASSERT_TRUE(write_pages(self, 0, 3 * MARK));
	EXPECT_EQ(1, events(self));
	ASSERT_EQ(0, vm_reset_rings(&self->bench.vm));
	EXPECT_EQ(0, events(self)) TH_LOG("nothing was given back");
	ASSERT_EQ(MARK, give_back(self, MARK));
	EXPECT_EQ(1, events(self));
	ASSERT_EQ(MARK, give_back(self, MARK));
	EXPECT_EQ(1, events(self));
	ASSERT_EQ(1, give_back(self, 1));
	EXPECT_EQ(0, events(self));
	ASSERT_TRUE(write_pages(self, 3 * MARK, 1));
	EXPECT_EQ(1, events(self));
}

TEST_F(ringevent, set_anew_and_ended)
{
	struct vcpu *vcpu = &self->bench.vcpu[0];

	ASSERT_TRUE(write_pages(self, 0, MARK / 2));
	ASSERT_EQ(0, set_event(vcpu, self->event, MARK / 2));
	EXPECT_EQ(1, events(self)) TH_LOG("it was reached before it was asked for");
	ASSERT_EQ(0, set_event(vcpu, -1, 0));
	ASSERT_TRUE(write_pages(self, MARK / 2, MARK));
	ASSERT_LT(0, give_back(self, PAGES));
	ASSERT_TRUE(write_pages(self, 0, MARK));
	EXPECT_EQ(0, events(self));
	/* What userspace marks fills the ring as well. */
	ASSERT_EQ(MARK, give_back(self, PAGES));
	ASSERT_EQ(0, set_event(vcpu, self->event, MARK));
	ASSERT_EQ(MARK, mark_pages(vcpu->fd, &self->bench.data, 0, MARK, NULL));
	EXPECT_EQ(1, events(self));
}

/* The guest is in KVM_RUN all the time; the harvester sleeps on the event alone. */
TEST_F(ringevent, wakes_a_harvester)
{
	struct bench *b = &self->bench;
	struct pollfd poll_event = { .fd = self->event, .events = POLLIN };
	struct runner runner;
	int woken = 0, n;

	BENCH_LOAD(b, random);
	bench_random(b, 0, bench_seed());
	MBOX(b, 0, COUNT) = WRITES;
	ASSERT_EQ(0, bench_start(b, 0));
	ASSERT_EQ(0, runner_start(&runner, b, 0));
	while (!runner.finished) {
		n = poll(&poll_event, 1, 500);
		/* The last of it may be less than the watermark. */
		ASSERT_TRUE(n == 1 || runner.finished) TH_LOG("no event for half a second");
		if (n != 1)
			break;
		ASSERT_LT(0, events(self));
		woken++;
		n = give_back(self, PAGES);
		ASSERT_LE(MARK, n);
	}
	ASSERT_EQ(0, runner_join(&runner));
	EXPECT_LT(1, woken);
}

TEST_F(ringevent, refused)
{
	struct vellum_ring_event event = { .fd = self->event, .watermark = 1, .flags = 1 };
	struct vcpu *vcpu = &self->bench.vcpu[0];
	struct vcpu ringless;
	int file = open("/", O_RDONLY);
	struct vm vm;

	EXPECT_EQ(1, vellum_extension(self->bench.vm.fd, VELLUM_EXT_RING_EVENT));
	EXPECT_EQ(-EINVAL, kvm_ioctl(vcpu->fd, VELLUM_RING_EVENT, &event));
	event.flags = 0;
	event.reserved[4] = 1;
	EXPECT_EQ(-EINVAL, kvm_ioctl(vcpu->fd, VELLUM_RING_EVENT, &event));
	EXPECT_EQ(-EFAULT, kvm_ioctl(vcpu->fd, VELLUM_RING_EVENT, (void *)8));
	EXPECT_EQ(-ENOTTY, kvm_ioctl(self->bench.vm.fd, VELLUM_RING_EVENT, &event));
	EXPECT_EQ(-EINVAL, set_event(vcpu, self->event, 0));
	EXPECT_EQ(-EINVAL, set_event(vcpu, self->event, RING_ENTRIES - RESERVE + 1));
	EXPECT_EQ(-EINVAL, set_event(vcpu, -1, 1));
	EXPECT_EQ(-EBADF, set_event(vcpu, 1000, 1));
	EXPECT_EQ(-EBADF, set_event(vcpu, -2, 1));
	EXPECT_EQ(-EINVAL, set_event(vcpu, file, 1));
	EXPECT_EQ(0, set_event(vcpu, self->event, RING_ENTRIES - RESERVE));
	close(file);

	ASSERT_EQ(0, vm_open(&vm));
	ASSERT_EQ(0, vcpu_open(&vm, &ringless, 0));
	EXPECT_EQ(-EINVAL, set_event(&ringless, self->event, 1)) TH_LOG("it has no ring");
	vcpu_close(&ringless);
	vm_close(&vm);
}

TEST_HARNESS_MAIN
