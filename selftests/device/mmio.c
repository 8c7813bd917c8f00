// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions that touch MMIO do what they do with memory: each form is run by
 * the CPU on memory and by the emulation on MMIO, and registers, flags, memory
 * and the exits that userspace saw are compared. And what goes wrong goes wrong
 * as on a CPU: page faults of the memory side, interruption of a string,
 * instructions that nobody knows.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "../guest/mmio.h"
#include "vm.h"

DECLARE_GUEST(mmio_forms);
DECLARE_GUEST(mmio_faults);

#define SEEDS	     3
#define DATA_PAGES   8
#define DEVICE_BYTES (2 * PAGE_SIZE)	    /* at MMIO_GPA */
#define OTHER_PAGE   4			    /* of the data slot: a string's other side */
#define FAULT_GPA    (CODE_GPA + PAGE_SIZE) /* the handlers */
#define GDT_GPA	     (CODE_GPA + 2 * PAGE_SIZE)
#define IDT_GPA	     (CODE_GPA + 3 * PAGE_SIZE)
#define DATA_PT	     (TABLE_GPA + 3 * PAGE_SIZE)
#define CROSSING     (PAGE_SIZE - 1) /* an operand here is in two pages */

#define FLAGS_ALU  0x8d5
#define FLAG_AF	   0x10
#define FLAG_TF	   0x100
#define FLAG_DF	   0x400
#define FLAGS_BASE 0x202
#define PTE	   0x63ULL /* present, writable, accessed, dirty */
#define PTE_P	   1ULL
#define PTE_W	   2ULL
#define PTE_A	   0x20ULL
#define PTE_D	   0x40ULL

FIXTURE(mmio)
{
	struct bench bench;
	struct kvm_run *run;
	struct rng rng;
	uint8_t device[DEVICE_BYTES];
	uint32_t read, written; /* exits, of the run under way */
	uint32_t widths;	/* their widths, ored */
	bool read_after_write;
};

/* Page tables of 4 KiB for the data slot; a GDT and an IDT whose vectors say who they are. */
static int set_up_faults(struct bench *bench)
{
	uint64_t *pt = bench_low(bench, DATA_PT), *idt = bench_low(bench, IDT_GPA);
	uint64_t *pd = bench_low(bench, TABLE_GPA + 2 * PAGE_SIZE);
	uint64_t *gdt = bench_low(bench, GDT_GPA);
	struct kvm_sregs sregs;
	unsigned int i;
	int ret;

	for (i = 0; i < 512; i++)
		pt[i] = (DATA_GPA + i * PAGE_SIZE) | PTE;
	pd[DATA_GPA >> 21] = DATA_PT | PTE;
	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	for (i = 0; i < FAULT_VECTORS; i++) {
		uint64_t stub = FAULT_GPA + i * FAULT_STUB;

		idt[2 * i] = (stub & 0xffff) | 8 << 16 | 0x8eULL << 40 | stub >> 16 << 48;
		idt[2 * i + 1] = 0;
	}
	memcpy(bench_low(bench, FAULT_GPA), guest_mmio_faults,
	       guest_mmio_faults_end - guest_mmio_faults);
	ret = kvm_ioctl(bench->vcpu[0].fd, KVM_GET_SREGS, &sregs);
	sregs.gdt.base = GDT_GPA;
	sregs.gdt.limit = 3 * 8 - 1;
	sregs.idt.base = IDT_GPA;
	sregs.idt.limit = FAULT_VECTORS * 16 - 1;
	sregs.cr0 |= 1 << 16; /* WP */
	return ret ?: kvm_ioctl(bench->vcpu[0].fd, KVM_SET_SREGS, &sregs);
}

FIXTURE_SETUP(mmio)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = DATA_PAGES };

	self->rng.state = bench_seed();
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->run = self->bench.vcpu[0].run;
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_LONG));
	ASSERT_EQ(0, set_up_faults(&self->bench));
}

FIXTURE_TEARDOWN(mmio)
{
	bench_close(&self->bench);
}

static uint8_t *ram(FIXTURE_DATA(mmio) * self, uint64_t offset)
{
	return (uint8_t *)bench_page(&self->bench, 0) + offset;
}

/* Code at CODE_GPA, and behind it the end of the guest's work. */
static void put_code(FIXTURE_DATA(mmio) * self, const void *bytes, size_t len)
{
	static const uint8_t end[] = { 0xe6, PORT_DONE, 0xf4 };
	uint8_t *code = bench_low(&self->bench, CODE_GPA);

	memcpy(code, bytes, len);
	memcpy(code + len, end, sizeof(end));
}

/* Userspace's answer to one exit: the device is memory. False: it is not there. */
static bool answer(FIXTURE_DATA(mmio) * self)
{
	uint64_t at = self->run->mmio.phys_addr - MMIO_GPA;
	uint32_t len = self->run->mmio.len;

	if (at >= DEVICE_BYTES || len > DEVICE_BYTES - at ||
	    at / PAGE_SIZE != (at + len - 1) / PAGE_SIZE)
		return false;
	if (self->run->mmio.is_write) {
		memcpy(self->device + at, self->run->mmio.data, len);
		self->written++;
	} else {
		memcpy(self->run->mmio.data, self->device + at, len);
		self->read++;
		self->read_after_write |= self->written;
	}
	self->widths |= len;
	return true;
}

static int set_regs(FIXTURE_DATA(mmio) * self, const struct kvm_regs *regs)
{
	struct kvm_regs start = *regs;

	start.rip = CODE_GPA;
	return kvm_ioctl(self->bench.vcpu[0].fd, KVM_SET_REGS, &start);
}

static int get_regs(FIXTURE_DATA(mmio) * self, struct kvm_regs *regs)
{
	return kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_REGS, regs);
}

/* Runs until something else than MMIO happens: exit reason or -errno. */
static int go_on(FIXTURE_DATA(mmio) * self)
{
	int ret;

	do
		ret = bench_run(&self->bench, 0);
	while (ret == KVM_EXIT_MMIO && answer(self));
	return ret;
}

/* The code with these registers; afterwards they are what it left. 0: it came to its end. */
static int run_code(FIXTURE_DATA(mmio) * self, struct kvm_regs *regs)
{
	int ret = set_regs(self, regs);

	self->read = 0;
	self->written = 0;
	self->widths = 0;
	self->read_after_write = false;
	ret = ret ?: go_on(self);
	if (ret != KVM_EXIT_IO || !bench_done(&self->bench, 0))
		return ret ?: -EPROTO;
	return get_regs(self, regs);
}

/* The vector that was raised and its frame, or -1. */
static int fault_vector(FIXTURE_DATA(mmio) * self, struct kvm_regs *regs, uint64_t **frame)
{
	if (self->run->exit_reason != KVM_EXIT_IO || self->run->io.port < PORT_FAULT ||
	    self->run->io.port >= PORT_FAULT + FAULT_VECTORS || get_regs(self, regs))
		return -1;
	*frame = bench_low(&self->bench, regs->rsp);
	return self->run->io.port - PORT_FAULT;
}

struct form {
	uint8_t flags, width, len;
	uint8_t bytes[];
};

static const struct form *next_form(const struct form *form)
{
	return (const void *)(form->bytes + form->len);
}

static void fill(FIXTURE_DATA(mmio) * self, uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = rng_next(&self->rng) >> 32;
}

static struct kvm_regs random_regs(FIXTURE_DATA(mmio) * self)
{
	struct kvm_regs regs;

	fill(self, (void *)&regs, sizeof(regs));
	regs.rsp = STACK_GPA + PAGE_SIZE;
	regs.rflags = FLAGS_BASE | (regs.rflags & (FLAGS_ALU | FLAG_DF));
	return regs;
}

/* The operand of form at target, a string's other side in its own page. */
static void place(struct kvm_regs *regs, const struct form *form, uint64_t target, uint32_t count)
{
	bool down = regs->rflags & FLAG_DF;
	uint64_t other = DATA_GPA + OTHER_PAGE * PAGE_SIZE + (down ? 0x800 : 0x100);

	if (form->flags & FORM_REP)
		regs->rcx = count;
	if (!(form->flags & (FORM_RSI | FORM_RDI))) {
		regs->rbx = target;
		return;
	}
	regs->rsi = form->flags & FORM_RSI ? target : other;
	regs->rdi = form->flags & FORM_RDI ? target : other;
	if ((form->flags & FORM_RSI) && (form->flags & FORM_RDI))
		regs->rdi += 3; /* overlapping */
}

/* What is the same in both runs; addresses differ by delta. */
static bool same_regs(const struct kvm_regs *real, const struct kvm_regs *ours,
		      const struct form *form, int64_t delta)
{
	struct kvm_regs want = *real;
	uint64_t flags = real->rflags ^ ours->rflags;

	if (!(form->flags & (FORM_RSI | FORM_RDI)) && want.rbx - DATA_GPA < PAGE_SIZE * DATA_PAGES)
		want.rbx += delta;
	if (form->flags & FORM_RSI)
		want.rsi += delta;
	if (form->flags & FORM_RDI)
		want.rdi += delta;
	if (form->flags & FORM_LOGIC)
		flags &= ~FLAG_AF;
	want.rip = ours->rip;
	want.rflags = ours->rflags;
	return !flags && !memcmp(&want, ours, sizeof(want));
}

struct both {
	uint8_t memory[DEVICE_BYTES];
	uint8_t other[PAGE_SIZE];
	struct kvm_regs real, ours;
};

/*
 * One form at offset within two pages: by the CPU in memory at 0 of the data
 * slot, by the emulation at MMIO_GPA. Returns what is wrong, or NULL.
 */
static const char *compare(FIXTURE_DATA(mmio) * self, const struct form *form, uint64_t offset)
{
	uint32_t count = 1 + rng_below(&self->rng, 40), width = form->width;
	struct both both;
	int ret;

	put_code(self, form->bytes, form->len);
	fill(self, both.memory, sizeof(both.memory));
	fill(self, both.other, sizeof(both.other));
	both.real = random_regs(self);
	both.ours = both.real;
	place(&both.real, form, DATA_GPA + offset, count);
	place(&both.ours, form, MMIO_GPA + offset, count);

	memcpy(ram(self, 0), both.memory, sizeof(both.memory));
	memcpy(ram(self, OTHER_PAGE * PAGE_SIZE), both.other, sizeof(both.other));
	if (run_code(self, &both.real) || self->read || self->written)
		return "the CPU fails";
	memcpy(self->device, both.memory, sizeof(both.memory));
	memcpy(both.memory, ram(self, 0), sizeof(both.memory));
	for (size_t i = 0; i < sizeof(both.other); i++) {
		uint8_t *now = ram(self, OTHER_PAGE * PAGE_SIZE + i), was = both.other[i];

		both.other[i] = *now;
		*now = was;
	}

	ret = run_code(self, &both.ours);
	if (ret)
		return "the emulation fails";
	if (!same_regs(&both.real, &both.ours, form, MMIO_GPA - DATA_GPA))
		return "registers";
	if (memcmp(both.memory, self->device, sizeof(both.memory)))
		return "what is written";
	if (memcmp(both.other, ram(self, OTHER_PAGE * PAGE_SIZE), sizeof(both.other)))
		return "what is written on the other side";
	if (!self->read != !(form->flags & FORM_READS) ||
	    !self->written != !(form->flags & FORM_WRITES))
		return "the direction of exits";
	if (form->flags & FORM_REP)
		return NULL;
	if (self->read_after_write)
		return "a write before a read";
	if (offset % PAGE_SIZE + width <= PAGE_SIZE &&
	    (self->read > 1 || self->written > 1 || self->widths != width))
		return "more than one access, or another width";
	return NULL;
}

TEST_F_TIMEOUT(mmio, forms_do_what_they_do_with_memory, 120)
{
	const struct form *form;
	unsigned int seed, forms = 0;
	const char *wrong;

	for (form = (const void *)guest_mmio_forms; form->flags; form = next_form(form)) {
		for (seed = 0; seed < SEEDS; seed++) {
			wrong = compare(self, form, 0x800 + rng_below(&self->rng, 8));
			ASSERT_EQ(NULL, wrong)
			{
				TH_LOG("form %u, flags %#x, width %u: %s; exit %u", forms,
				       form->flags, form->width, wrong, self->run->exit_reason);
			}
		}
		forms++;
	}
	TH_LOG("%u forms", forms);
	EXPECT_LT(150, forms);
}

TEST_F_TIMEOUT(mmio, operands_in_two_pages, 120)
{
	const struct form *form;
	const char *wrong;
	unsigned int forms = 0;

	for (form = (const void *)guest_mmio_forms; form->flags; form = next_form(form), forms++) {
		if (form->width == 1 && !(form->flags & FORM_REP))
			continue;
		if (form->flags & FORM_LOCK)
			continue; /* refused, see below */
		wrong = compare(self, form, CROSSING);
		ASSERT_EQ(NULL, wrong)
		{
			TH_LOG("form %u, flags %#x, width %u: %s; exit %u", forms, form->flags,
			       form->width, wrong, self->run->exit_reason);
		}
	}
}

static void expect_unknown(struct __test_metadata *_metadata, FIXTURE_DATA(mmio) * self,
			   const uint8_t *bytes, unsigned int len)
{
	struct kvm_run *run = self->run;

	ASSERT_EQ(KVM_EXIT_INTERNAL_ERROR, run->exit_reason);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION, run->emulation_failure.suberror);
	ASSERT_LE(3, run->emulation_failure.ndata);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES,
		  run->emulation_failure.flags);
	ASSERT_LE(len, run->emulation_failure.insn_size);
	EXPECT_GE(15, run->emulation_failure.insn_size);
	EXPECT_EQ(0, memcmp(bytes, run->emulation_failure.insn_bytes, len));
}

TEST_F(mmio, an_instruction_that_nobody_knows)
{
	static const uint8_t flds[] = { 0xd9, 0x03 }, lock_two[] = { 0xf0, 0x09, 0x03 };
	struct kvm_regs regs = random_regs(self);

	ASSERT_EQ(0, vm_enable_cap(&self->bench.vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1));
	EXPECT_EQ(-EINVAL, vm_enable_cap(&self->bench.vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 2));
	put_code(self, flds, sizeof(flds));
	regs.rbx = MMIO_GPA;
	run_code(self, &regs);
	expect_unknown(_metadata, self, flds, sizeof(flds));
	/* Userspace can do it, or pass it by. */
	ASSERT_EQ(0, get_regs(self, &regs));
	EXPECT_EQ(CODE_GPA, regs.rip);
	regs.rip += sizeof(flds);
	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_SET_REGS, &regs));
	ASSERT_EQ(KVM_EXIT_IO, go_on(self));
	EXPECT_TRUE(bench_done(&self->bench, 0));

	/* Atomically in two pages: not by us. */
	put_code(self, lock_two, sizeof(lock_two));
	regs.rbx = MMIO_GPA + CROSSING;
	if (kvm_device_is_kvm())
		return;
	run_code(self, &regs);
	expect_unknown(_metadata, self, lock_two, sizeof(lock_two));
}

/* In the last bytes of the data slot and the first behind it. */
TEST_F(mmio, half_memory_half_mmio)
{
	static const uint8_t store[] = { 0x48, 0x89, 0x03 }, load[] = { 0x48, 0x8b, 0x13 };
	const uint64_t end = DATA_GPA + DATA_PAGES * PAGE_SIZE, value = 0x1122334455667788;
	struct kvm_run *run = self->run;
	struct kvm_regs regs = random_regs(self);
	uint8_t *last = ram(self, DATA_PAGES * PAGE_SIZE - 3);

	put_code(self, store, sizeof(store));
	regs.rbx = end - 3;
	regs.rax = value;
	ASSERT_EQ(0, set_regs(self, &regs));
	ASSERT_EQ(KVM_EXIT_MMIO, bench_run(&self->bench, 0));
	EXPECT_EQ(1, run->mmio.is_write);
	EXPECT_EQ(end, run->mmio.phys_addr);
	EXPECT_EQ(5, run->mmio.len);
	EXPECT_EQ(0, memcmp(run->mmio.data, (uint8_t *)&value + 3, 5));
	EXPECT_EQ(0, memcmp(last, &value, 3));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	EXPECT_TRUE(bench_done(&self->bench, 0));

	put_code(self, load, sizeof(load));
	ASSERT_EQ(0, set_regs(self, &regs));
	ASSERT_EQ(KVM_EXIT_MMIO, bench_run(&self->bench, 0));
	EXPECT_EQ(0, run->mmio.is_write);
	EXPECT_EQ(end, run->mmio.phys_addr);
	memcpy(run->mmio.data, (uint8_t *)&value + 3, 5);
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	ASSERT_EQ(0, get_regs(self, &regs));
	EXPECT_EQ(value, regs.rdx);
}

/* The entry that maps a page of the data slot. */
static uint64_t *data_pte(FIXTURE_DATA(mmio) * self, unsigned int page)
{
	return (uint64_t *)bench_low(&self->bench, DATA_PT) + page;
}

/* The guest's translation of it is as old as the vCPU: a new CR3 drops it. */
static int flush(FIXTURE_DATA(mmio) * self)
{
	struct kvm_sregs sregs;
	int ret = kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_SREGS, &sregs);

	return ret ?: kvm_ioctl(self->bench.vcpu[0].fd, KVM_SET_SREGS, &sregs);
}

struct side {
	uint64_t clear, set; /* in the page table entry */
	bool write;	     /* the memory side is written */
	uint64_t error;
};

/* MOVS whose memory side faults after five elements: the fault's page, error and state. */
TEST_F(mmio, page_faults_of_the_memory_side)
{
	static const struct side sides[] = {
		{ .clear = PTE_P, .error = 0 },
		{ .clear = PTE_P, .write = true, .error = 2 },
		{ .clear = PTE_W, .write = true, .error = 3 },
		{ .set = 1ULL << 51, .error = 9 },
		{ .set = 1ULL << 51, .write = true, .error = 0xb },
	};
	static const uint8_t rep_movsb[] = { 0xf3, 0xa4 };
	const uint64_t end = DATA_GPA + PAGE_SIZE;
	struct kvm_sregs sregs;
	uint64_t *frame;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sides); i++) {
		struct kvm_regs regs = random_regs(self), now;
		const struct side *side = &sides[i];

		put_code(self, rep_movsb, sizeof(rep_movsb));
		regs.rflags &= ~FLAG_DF;
		regs.rcx = 20;
		regs.rsi = side->write ? MMIO_GPA : end - 5;
		regs.rdi = side->write ? end - 5 : MMIO_GPA;
		*data_pte(self, 1) = (*data_pte(self, 1) & ~side->clear) | side->set;
		ASSERT_EQ(0, flush(self));
		run_code(self, &regs);
		ASSERT_EQ(14, fault_vector(self, &now, &frame)) TH_LOG("side %zu", i);
		EXPECT_EQ(side->error, frame[0]) TH_LOG("side %zu", i);
		EXPECT_EQ(CODE_GPA, frame[1]);
		EXPECT_EQ(15, now.rcx);
		EXPECT_EQ(regs.rsi + 5, now.rsi);
		EXPECT_EQ(regs.rdi + 5, now.rdi);
		EXPECT_EQ(side->write ? 5 : 0, self->read);
		EXPECT_EQ(side->write ? 0 : 5, self->written);
		ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_GET_SREGS, &sregs));
		EXPECT_EQ(end, sregs.cr2);
		*data_pte(self, 1) = end | PTE;
	}
}

TEST_F(mmio, addresses_that_are_none)
{
	static const uint8_t movsb[] = { 0xa4 };
	struct kvm_regs regs = random_regs(self), now;
	uint64_t *frame;

	put_code(self, movsb, sizeof(movsb));
	regs.rsi = MMIO_GPA;
	regs.rdi = 1ULL << 63;
	run_code(self, &regs);
	ASSERT_EQ(13, fault_vector(self, &now, &frame));
	EXPECT_EQ(0, frame[0]);
	EXPECT_EQ(CODE_GPA, frame[1]);
	EXPECT_EQ(0, self->read); /* a read is not undone */
}

TEST_F(mmio, the_memory_side_gets_accessed_and_dirty)
{
	static const uint8_t movsb[] = { 0xa4 };
	struct kvm_regs regs = random_regs(self);

	put_code(self, movsb, sizeof(movsb));
	regs.rsi = MMIO_GPA;
	regs.rdi = DATA_GPA + PAGE_SIZE;
	*data_pte(self, 1) &= ~(PTE_A | PTE_D);
	ASSERT_EQ(0, flush(self));
	ASSERT_EQ(0, run_code(self, &regs));
	EXPECT_EQ(PTE_A | PTE_D, *data_pte(self, 1) & (PTE_A | PTE_D));

	regs.rsi = DATA_GPA + PAGE_SIZE;
	regs.rdi = MMIO_GPA;
	*data_pte(self, 1) &= ~(PTE_A | PTE_D);
	ASSERT_EQ(0, flush(self));
	ASSERT_EQ(0, run_code(self, &regs));
	EXPECT_EQ(PTE_A, *data_pte(self, 1) & (PTE_A | PTE_D));
}

TEST_F(mmio, a_string_can_be_interrupted)
{
	static const uint8_t rep_stosl[] = { 0xf3, 0xab };
	struct kvm_regs regs = random_regs(self), now;
	int i;

	put_code(self, rep_stosl, sizeof(rep_stosl));
	regs.rflags &= ~FLAG_DF;
	regs.rcx = 100;
	regs.rdi = MMIO_GPA;
	ASSERT_EQ(0, set_regs(self, &regs));
	for (i = 1; i <= 10; i++) {
		self->run->immediate_exit = 0;
		ASSERT_EQ(KVM_EXIT_MMIO, bench_run(&self->bench, 0));
		EXPECT_EQ(MMIO_GPA + 4 * (i - 1), self->run->mmio.phys_addr);
		self->run->immediate_exit = 1;
		ASSERT_EQ(-EINTR, bench_run(&self->bench, 0));
		ASSERT_EQ(0, get_regs(self, &now));
		EXPECT_EQ(CODE_GPA, now.rip);
		EXPECT_EQ(100 - i, now.rcx);
		EXPECT_EQ(regs.rdi + 4 * i, now.rdi);
	}
	self->run->immediate_exit = 0;
	self->written = 0;
	ASSERT_EQ(KVM_EXIT_IO, go_on(self));
	EXPECT_TRUE(bench_done(&self->bench, 0));
	EXPECT_EQ(90, self->written);
}

/* Between the read and the write userspace goes elsewhere: nothing is written. */
TEST_F(mmio, userspace_can_take_it_back)
{
	static const uint8_t or_mem[] = { 0x09, 0x03 };
	struct kvm_regs regs = random_regs(self), now;

	put_code(self, or_mem, sizeof(or_mem));
	regs.rbx = MMIO_GPA;
	ASSERT_EQ(0, set_regs(self, &regs));
	ASSERT_EQ(KVM_EXIT_MMIO, bench_run(&self->bench, 0));
	EXPECT_EQ(0, self->run->mmio.is_write);
	ASSERT_EQ(0, get_regs(self, &now));
	EXPECT_EQ(CODE_GPA, now.rip);
	now.rip += sizeof(or_mem);
	ASSERT_EQ(0, kvm_ioctl(self->bench.vcpu[0].fd, KVM_SET_REGS, &now));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	EXPECT_TRUE(bench_done(&self->bench, 0));
	ASSERT_EQ(0, get_regs(self, &now));
	EXPECT_EQ(regs.rflags, now.rflags);
}

TEST_F(mmio, a_trap_after_it)
{
	static const uint8_t code[][2] = {
		{ 0x89, 0x03 }, { 0x8b, 0x13 }, { 0x09, 0x03 }, { 0xf3, 0xab }
	};
	struct kvm_regs regs, now;
	uint64_t *frame;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(code); i++) {
		bool rep = code[i][0] == 0xf3;

		regs = random_regs(self);
		put_code(self, code[i], 2);
		regs.rbx = MMIO_GPA;
		regs.rdi = MMIO_GPA;
		regs.rcx = 3;
		regs.rflags = FLAGS_BASE | FLAG_TF;
		run_code(self, &regs);
		ASSERT_EQ(1, fault_vector(self, &now, &frame)) TH_LOG("code %zu", i);
		/* A string traps after each element, at itself. */
		EXPECT_EQ(CODE_GPA + (rep ? 0 : 2), frame[0]) TH_LOG("code %zu", i);
		EXPECT_EQ(rep ? 2 : 3, now.rcx);
	}
}

static void nothing(int signal)
{
	(void)signal;
}

/*
 * Random bytes, and random operands of instructions that are known, all at
 * MMIO: whatever they are, each run ends in an exit, and the module works on.
 */
TEST_F_TIMEOUT(mmio, odd_instructions, 120)
{
	static const uint8_t start[] = { 0x00, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x0f, 0x48, 0x64,
					 0x88, 0xa0, 0xa4, 0xaa, 0xc7, 0x80, 0xf6, 0x86 };
	struct itimerval timer = { .it_interval.tv_usec = 2000, .it_value.tv_usec = 2000 };
	const struct sigaction action = { .sa_handler = nothing };
	struct kvm_regs regs;
	uint8_t code[16];
	unsigned int i, unknown = 0, exits;
	int ret;

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	for (i = 0; i < 400; i++) {
		fill(self, code, sizeof(code));
		if (i % 4)
			code[0] = start[rng_below(&self->rng, sizeof(start))] | (code[0] & 3);
		put_code(self, code, sizeof(code));
		regs = random_regs(self);
		regs.rax = regs.rbx = regs.rdx = regs.rsi = regs.rdi = regs.rbp = MMIO_GPA + 0xff8;
		ASSERT_EQ(0, set_regs(self, &regs));
		for (exits = 0, ret = KVM_EXIT_MMIO; ret == KVM_EXIT_MMIO && exits < 10; exits++)
			ret = bench_run(&self->bench, 0);
		ASSERT_TRUE(ret >= 0 || ret == -EINTR) TH_LOG("program %u: %d", i, ret);
		unknown += ret == KVM_EXIT_INTERNAL_ERROR;
	}
	timer = (struct itimerval){};
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	TH_LOG("%u were not known", unknown);
	EXPECT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

TEST_HARNESS_MAIN
