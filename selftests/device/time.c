// SPDX-License-Identifier: GPL-2.0
/* What the tests of clocks share: see time.h. */
#include <string.h>

#include "time.h"

int time_start(struct bench *bench, unsigned int n)
{
	unsigned int i;
	int ret = 0;

	BENCH_LOAD(bench, time);
	for (i = 0; !ret && i < n; i++)
		ret = bench_start_mode(bench, i, CPU_LONG);
	return ret;
}

uint64_t *time_field(struct bench *bench, unsigned int i, uint32_t offset)
{
	return (uint64_t *)((char *)bench_mbox(bench, i) + offset);
}

int time_op(struct bench *bench, unsigned int i, uint32_t op)
{
	int reason;

	bench_mbox(bench, i)[TIME_OP / 4] = op;
	reason = bench_run(bench, i);
	return reason == KVM_EXIT_IO && bench_done(bench, i) ? 0 : reason;
}

int time_rdmsr(struct bench *bench, unsigned int i, uint32_t index, uint64_t *value)
{
	int ret;

	bench_mbox(bench, i)[TIME_INDEX / 4] = index;
	ret = time_op(bench, i, OP_RDMSR);
	*value = *time_field(bench, i, TIME_VALUE);
	return ret;
}

int time_wrmsr(struct bench *bench, unsigned int i, uint32_t index, uint64_t value)
{
	bench_mbox(bench, i)[TIME_INDEX / 4] = index;
	*time_field(bench, i, TIME_VALUE) = value;
	return time_op(bench, i, OP_WRMSR);
}

const struct clock_page *time_page(struct bench *bench, unsigned int i)
{
	return (const void *)time_field(bench, i, TIME_PAGE);
}

uint64_t clock_page_ns(const struct clock_page *page, uint64_t tsc)
{
	uint64_t ticks = tsc - page->tsc_timestamp;

	ticks = page->shift < 0 ? ticks >> -page->shift : ticks << page->shift;
	return page->system_time + (uint64_t)((__uint128_t)ticks * page->mul >> 32);
}

int time_clock(struct bench *bench, unsigned int i, uint64_t gpa, uint64_t *ns)
{
	int ret;

	*time_field(bench, i, TIME_VALUE) = gpa;
	ret = time_op(bench, i, OP_PAGE);
	*ns = clock_page_ns(time_page(bench, i), *time_field(bench, i, TIME_TSC));
	return ret;
}

static int one_msr(struct bench *bench, unsigned int i, unsigned long request,
		   struct kvm_msr_entry *entry)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = { .head.nmsrs = 1, .entry = *entry };
	int ret = kvm_ioctl(bench->vcpu[i].fd, request, &msr);

	*entry = msr.entry;
	return ret;
}

int msr_get(struct bench *bench, unsigned int i, uint32_t index, uint64_t *value)
{
	struct kvm_msr_entry entry = { .index = index };
	int ret = one_msr(bench, i, KVM_GET_MSRS, &entry);

	*value = entry.data;
	return ret;
}

int msr_set(struct bench *bench, unsigned int i, uint32_t index, uint64_t value)
{
	struct kvm_msr_entry entry = { .index = index, .data = value };

	return one_msr(bench, i, KVM_SET_MSRS, &entry);
}
