// SPDX-License-Identifier: GPL-2.0
/*
 * Port I/O of strings: one exit carries what is left of the guest's page, every
 * element comes once and in order, and registers tell at every exit how far it is.
 */
#include <kselftest_harness.h>

#include "vm.h"

#define PORT	   0x80
#define DATA_PAGES 4
#define FLAGS	   0x202
#define FLAG_DF	   0x400

FIXTURE(pio)
{
	struct bench bench;
	struct kvm_run *run;
	struct kvm_regs regs;
};

FIXTURE_SETUP(pio)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = DATA_PAGES };
	uint8_t *data;
	size_t i;

	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->run = self->bench.vcpu[0].run;
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	data = (uint8_t *)bench_page(&self->bench, 0);
	for (i = 0; i < DATA_PAGES * PAGE_SIZE; i++)
		data[i] = i * 7 + i / PAGE_SIZE;
}

FIXTURE_TEARDOWN(pio)
{
	bench_close(&self->bench);
}

static uint8_t *guest(struct bench *bench, uint64_t offset)
{
	return (uint8_t *)bench_page(bench, 0) + offset;
}

/* A repeated string instruction, count elements, and the end. */
static int start(FIXTURE_DATA(pio) * self, const uint8_t *insn, size_t len, uint32_t count,
		 uint64_t offset)
{
	static const uint8_t end[] = { 0xe6, PORT_DONE, 0xf4 };
	uint8_t *code = bench_low(&self->bench, CODE_GPA);

	memcpy(code, insn, len);
	memcpy(code + len, end, sizeof(end));
	self->regs.rip = CODE_GPA;
	self->regs.rdx = PORT;
	self->regs.rcx = count;
	self->regs.rsi = DATA_GPA + offset;
	self->regs.rdi = DATA_GPA + offset;
	self->regs.rflags |= FLAGS;
	return kvm_ioctl(self->bench.vcpu[0].fd, KVM_SET_REGS, &self->regs);
}

static void *pio_data(struct kvm_run *run)
{
	return (char *)run + run->io.data_offset;
}

/* The next exit is one of count elements of this size at PORT. */
static void expect(struct __test_metadata *_metadata, FIXTURE_DATA(pio) * self, int direction,
		   uint32_t size, uint32_t count)
{
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	ASSERT_EQ(PORT, self->run->io.port);
	EXPECT_EQ(direction, self->run->io.direction);
	EXPECT_EQ(size, self->run->io.size);
	ASSERT_EQ(count, self->run->io.count);
	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_REGS, &self->regs));
}

static void expect_end(struct __test_metadata *_metadata, FIXTURE_DATA(pio) * self)
{
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	ASSERT_TRUE(bench_done(&self->bench, 0));
	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_REGS, &self->regs));
}

TEST_F(pio, outs_in_batches)
{
	static const uint8_t rep_outsb[] = { 0xf3, 0x6e };
	static const uint32_t batch[] = { 0x100, 4096, 648 };
	uint32_t i, done = 0;

	ASSERT_EQ(0, start(self, rep_outsb, sizeof(rep_outsb), 5000, 0xf00));
	for (i = 0; i < ARRAY_SIZE(batch); i++) {
		expect(_metadata, self, KVM_EXIT_IO_OUT, 1, batch[i]);
		EXPECT_EQ(0,
			  memcmp(pio_data(self->run), guest(&self->bench, 0xf00 + done), batch[i]));
		done += batch[i];
		EXPECT_EQ(5000 - done, self->regs.rcx);
		EXPECT_EQ(DATA_GPA + 0xf00 + done, self->regs.rsi);
	}
	expect_end(_metadata, self);
}

/* From an odd address: the word in two pages comes alone. */
TEST_F(pio, ins_in_batches)
{
	static const uint8_t rep_insw[] = { 0x66, 0xf3, 0x6d };
	static const uint32_t batch[] = { 127, 1, 2047, 1, 10 };
	uint16_t *data = pio_data(self->run), got;
	uint32_t i, j, done = 0;

	ASSERT_EQ(0, start(self, rep_insw, sizeof(rep_insw), 2186, 0xf01));
	for (i = 0; i < ARRAY_SIZE(batch); i++) {
		expect(_metadata, self, KVM_EXIT_IO_IN, 2, batch[i]);
		data = pio_data(self->run);
		EXPECT_EQ(2186 - done, self->regs.rcx);
		for (j = 0; j < batch[i]; j++)
			data[j] = 0x8000 + done++;
	}
	expect_end(_metadata, self);
	EXPECT_EQ(0, self->regs.rcx);
	EXPECT_EQ(DATA_GPA + 0xf01 + 2 * done, self->regs.rdi);
	for (i = 0; i < done; i++) {
		memcpy(&got, guest(&self->bench, 0xf01 + 2 * i), sizeof(got));
		ASSERT_EQ(0x8000 + i, got);
	}
	/* Nothing behind it. */
	EXPECT_EQ((uint8_t)((0xf01 + 2 * done) * 7 + (0xf01 + 2 * done) / PAGE_SIZE),
		  *guest(&self->bench, 0xf01 + 2 * done));
}

TEST_F(pio, downwards_one_at_a_time)
{
	static const uint8_t rep_outsl[] = { 0xf3, 0x6f };
	uint32_t i;

	self->regs.rflags = FLAG_DF;
	ASSERT_EQ(0, start(self, rep_outsl, sizeof(rep_outsl), 5, 0x1008));
	for (i = 0; i < 5; i++) {
		expect(_metadata, self, KVM_EXIT_IO_OUT, 4, 1);
		EXPECT_EQ(0, memcmp(pio_data(self->run), guest(&self->bench, 0x1008 - 4 * i), 4));
		EXPECT_EQ(4 - i, self->regs.rcx);
		EXPECT_EQ(DATA_GPA + 0x1008 - 4 * (i + 1), self->regs.rsi);
	}
	expect_end(_metadata, self);
}

TEST_F(pio, nothing_to_do)
{
	static const uint8_t rep_insb[] = { 0xf3, 0x6c };

	ASSERT_EQ(0, start(self, rep_insb, sizeof(rep_insb), 0, 0));
	expect_end(_metadata, self);
	EXPECT_EQ(DATA_GPA, self->regs.rdi);
}

/* What userspace leaves in RCX counts: less is stored, none is, and never more than was read. */
TEST_F(pio, userspace_changes_the_counter)
{
	static const uint8_t rep_insb[] = { 0xf3, 0x6c };
	static const uint32_t left[] = { 0, 4, 100 };
	uint32_t i, stored;

	for (i = 0; i < ARRAY_SIZE(left); i++) {
		memset(guest(&self->bench, 0), 0, PAGE_SIZE);
		ASSERT_EQ(0, start(self, rep_insb, sizeof(rep_insb), 10, 0));
		expect(_metadata, self, KVM_EXIT_IO_IN, 1, 10);
		memset(pio_data(self->run), 0xaa, PAGE_SIZE);
		self->regs.rcx = left[i];
		ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_SET_REGS, &self->regs));
		stored = left[i] < 10 ? left[i] : 10;
		if (left[i] > 10)
			expect(_metadata, self, KVM_EXIT_IO_IN, 1, left[i] - 10);
		else
			expect_end(_metadata, self);
		EXPECT_EQ(DATA_GPA + stored, self->regs.rdi);
		EXPECT_EQ(stored ? 0xaa : 0, *guest(&self->bench, stored ? stored - 1 : 0));
		EXPECT_EQ(0, *guest(&self->bench, stored));
	}
}

/* The elements in front of the segment's end go out, the first behind it faults. */
TEST_F(pio, the_end_of_the_segment)
{
	static const uint8_t rep_outsb[] = { 0xf3, 0x6e };
	struct kvm_sregs sregs;
	uint32_t i;

	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_SREGS, &sregs));
	sregs.ds.base = DATA_GPA;
	sregs.ds.limit = 9;
	sregs.ds.g = 0;
	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, start(self, rep_outsb, sizeof(rep_outsb), 20, -(uint64_t)DATA_GPA));
	for (i = 0; i < 10; i++)
		expect(_metadata, self, KVM_EXIT_IO_OUT, 1, 1);
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, bench_run(&self->bench, 0));
}

TEST_HARNESS_MAIN
