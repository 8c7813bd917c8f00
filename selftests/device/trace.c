// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints, as tracefs shows them: each event comes as often as its cause,
 * and says what happened. Needs a kernel with tracefs and a module with its call
 * sites, so testbed/jobs/trace.job runs it, and no other job.
 */
#include <kselftest_harness.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../guest/counts.h"
#include "vm.h"

#define TRACING	"/sys/kernel/tracing/"
#define LOG_MAX	(4 << 20)
#define PAGES	600 /* more than a page-modification log holds */

DECLARE_GUEST(counted);
DECLARE_GUEST(faulty);

static char log_text[LOG_MAX];

static bool put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_TRUNC);
	ssize_t done = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return done == (ssize_t)strlen(text);
}

/* What was traced since it was asked last; false: tracefs is not there. */
static bool take_log(void)
{
	FILE *file = fopen(TRACING "trace", "r");
	size_t n;

	if (!file)
		return false;
	n = fread(log_text, 1, LOG_MAX - 1, file);
	log_text[n] = 0;
	fclose(file);
	return n < LOG_MAX - 1 && put(TRACING "trace", "\n");
}

/* How many events of this name say this; the last of them is scanned by format, if any. */
static unsigned int events(const char *name, const char *says, const char *format, ...)
{
	char event[64], *line, *end;
	unsigned int count = 0;
	va_list args;

	snprintf(event, sizeof(event), " %s: ", name);
	for (line = log_text; *line; line = end + !!*end) {
		end = line + strcspn(line, "\n");
		line = memmem(line, end - line, event, strlen(event));
		if (!line || !memmem(line, end - line, says, strlen(says)))
			continue;
		count++;
		if (!format)
			continue;
		va_start(args, format);
		vsscanf(line + strlen(event), format, args);
		va_end(args);
	}
	return count;
}

FIXTURE(trace)
{
	struct bench bench;
};

FIXTURE_VARIANT(trace)
{
	uint32_t ring_entries;
};

FIXTURE_VARIANT_ADD(trace, bitmap)
{
	.ring_entries = 0,
};

FIXTURE_VARIANT_ADD(trace, ring)
{
	.ring_entries = 1024,
};

FIXTURE_SETUP(trace)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = 2 * PAGES, .ring_entries = variant->ring_entries,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};

	ASSERT_EQ(0, bench_open(&self->bench, &config));
	ASSERT_TRUE(put(TRACING "trace", "\n"));
	ASSERT_TRUE(put(TRACING "events/vellum/enable", "1"));
}

FIXTURE_TEARDOWN(trace)
{
	put(TRACING "events/vellum/enable", "0");
	bench_close(&self->bench);
}

TEST_F(trace, exits)
{
	unsigned long long rip = 0, qualification = 0;
	struct kvm_regs regs;
	int i;

	BENCH_LOAD(&self->bench, counted);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	for (i = 0; i < COUNTED_MMIO; i++)
		ASSERT_EQ(KVM_EXIT_MMIO, bench_run(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_REGS, &regs));
	ASSERT_TRUE(take_log());

	EXPECT_EQ(COUNTED_CPUID, events("vellum_exit", "vcpu 0 reason CPUID rip ", NULL));
	EXPECT_EQ(COUNTED_RDMSR, events("vellum_exit", "reason MSR_READ ", NULL));
	EXPECT_EQ(COUNTED_WRMSR, events("vellum_exit", "reason MSR_WRITE ", NULL));
	EXPECT_EQ(COUNTED_CR, events("vellum_exit", "reason CR_ACCESS ", NULL));
	EXPECT_EQ(COUNTED_WBINVD, events("vellum_exit", "reason WBINVD ", NULL));
	EXPECT_EQ(COUNTED_MMIO - 1, events("vellum_exit", "reason EPT_MISCONFIG ", NULL));
	/* OUT of one byte by immediate: SDM 3C table 28-5. */
	EXPECT_EQ(1, events("vellum_exit", "reason IO_INSTRUCTION ",
			    "vcpu 0 reason IO_INSTRUCTION rip 0x%llx qualification 0x%llx", &rip,
			    &qualification));
	EXPECT_EQ(PORT_DONE << 16 | 0x40, qualification);
	EXPECT_EQ(regs.rip - 3, rip); /* the OUT's two bytes and the HLT's one */
	EXPECT_EQ(1, events("vellum_exit", "reason HLT ", "vcpu 0 reason HLT rip 0x%llx", &rip));
	EXPECT_EQ(regs.rip - 1, rip);
	EXPECT_EQ(0, events("vellum_exit", "entry failed", NULL));
}

TEST_F(trace, faults)
{
	int result = -1;

	BENCH_LOAD(&self->bench, counted);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_MMIO, bench_run(&self->bench, 0));
	ASSERT_TRUE(take_log());
	EXPECT_EQ(1, events("vellum_ept_fault", "gpa 0x8000000 write: to be emulated",
			    "vcpu 0 gpa 0x8000000 write: to be emulated, result %d", &result));
	EXPECT_EQ(1, result);
	EXPECT_LE(1, events("vellum_ept_fault", " fetch: mapped, result 0", NULL));
	EXPECT_EQ(events("vellum_exit", "reason EPT_VIOLATION", NULL),
		  events("vellum_ept_fault", "", NULL));
}

/* All drains together have each page that was written, and no log had more than it holds. */
static void check_drains(struct __test_metadata *_metadata, unsigned int pages)
{
	static const char event[] = "vellum_pml_drain: vcpu 0 entries ";
	unsigned int sum = 0, entries;
	const char *at = log_text;

	while ((at = strstr(at, event))) {
		at += strlen(event);
		entries = strtoul(at, NULL, 10);
		EXPECT_LE(1, entries);
		EXPECT_GE(512, entries);
		sum += entries;
	}
	EXPECT_EQ(pages, sum);
}

static void check_ring(struct __test_metadata *_metadata, struct bench *bench)
{
	unsigned int used = 0, size = 0, vcpus = 0;
	unsigned long long reset = 0;
	struct kvm_dirty_gfn entry;
	uint64_t n = 0;

	while (ring_next(&bench->vcpu[0], &entry))
		n++;
	ASSERT_EQ(n, vm_reset_rings(&bench->vm));
	ASSERT_TRUE(take_log());
	check_drains(_metadata, n);
	EXPECT_EQ(1, events("vellum_ring_full", "vcpu 0", "vcpu 0 used %u of %u", &used, &size));
	EXPECT_EQ(n, used);
	EXPECT_EQ(1024, size);
	EXPECT_EQ(1, events("vellum_reset", "vcpus 1", "vcpus %u entries %llu", &vcpus, &reset));
	EXPECT_EQ(n, reset);
}

TEST_F(trace, writes)
{
	uint32_t pages[PAGES], i;
	int ret;

	for (i = 0; i < PAGES; i++)
		pages[i] = i;
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ret = bench_touch(&self->bench, pages, PAGES, 0);
	if (variant->ring_entries) {
		ASSERT_EQ(KVM_EXIT_DIRTY_RING_FULL, ret);
		check_ring(_metadata, &self->bench);
		return;
	}
	ASSERT_EQ(KVM_EXIT_IO, ret);
	ASSERT_TRUE(take_log());
	check_drains(_metadata, PAGES + 1); /* the mailbox, too: its slot is not logged */
	EXPECT_EQ(0, events("vellum_ring_full", "", NULL));
	EXPECT_EQ(0, events("vellum_reset", "", NULL));
}

TEST_F(trace, injection)
{
	struct kvm_sregs sregs;

	BENCH_LOAD(&self->bench, faulty);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	/* Far from what the guest touches before, so that no fault has mapped it too. */
	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_SREGS, &sregs));
	sregs.idt.base = SCRIPT_GPA;
	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, bench_run(&self->bench, 0));
	ASSERT_TRUE(take_log());
	/* Its delivery reads the IDT, whose page is touched first then: it is delivered again. */
	EXPECT_EQ(2, events("vellum_inject", "vcpu 0 vector 13 type exception error 0x0", NULL));
	EXPECT_EQ(2, events("vellum_inject", "", NULL));
	EXPECT_EQ(1, events("vellum_ept_fault", "gpa 0x40068 read: mapped, result 0", NULL));
	EXPECT_EQ(1, events("vellum_exit", "reason TRIPLE_FAULT", NULL));
}

TEST_F(trace, off_is_silent)
{
	ASSERT_TRUE(put(TRACING "events/vellum/enable", "0"));
	BENCH_LOAD(&self->bench, faulty);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, bench_run(&self->bench, 0));
	ASSERT_TRUE(take_log());
	EXPECT_EQ(NULL, strstr(log_text, "vellum_"));
}

TEST_HARNESS_MAIN
