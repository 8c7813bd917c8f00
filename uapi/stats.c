// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_GET_STATS_FD: one read-only file of header, id, descriptors and values
 * (api.rst 4.133), laid out in that order.
 */
#include <linux/anon_inodes.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "uapi/uapi.h"
#include "vmcs_fields.h"

#define STATS_MAX	64
#define STATS_NAME_SIZE 48 /* bytes, for an id or a name */

/* The sum of @count u64s, of which @first is the first: a vCPU's are in its vcpu_stats. */
struct stat_row {
	const char *name;
	u32 type; /* KVM_STATS_TYPE_*, and _UNIT_SECONDS: ticks there, told in ns */
	u16 first;
	u16 count;
};

#define FIELD(field) (offsetof(struct vcpu_stats, field) / sizeof(u64))
#define VCPU(name, field) \
	{ \
		name, KVM_STATS_TYPE_CUMULATIVE, FIELD(field), 1 \
	}
#define FAULT(name, kind) \
	{ \
		name, KVM_STATS_TYPE_CUMULATIVE, FIELD(faults) + (kind), 1 \
	}
#define STALL(name, cause) \
	{ \
		name, KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS, \
			FIELD(stalled) + (cause), 1 \
	}
#define EXIT(name, reason) \
	{ \
		name, KVM_STATS_TYPE_CUMULATIVE, FIELD(exits) + EXIT_REASON_##reason, 1 \
	}

/* fill_vcpu() works out those without a counter; exits_other are those without a name. */
static const struct stat_row vcpu_rows[] = {
	{ "exits", KVM_STATS_TYPE_CUMULATIVE, FIELD(exits), STAT_EXIT_OTHER + 1 },
	{ "exits_other", KVM_STATS_TYPE_CUMULATIVE, 0, 0 },
	{ "ring_records", KVM_STATS_TYPE_CUMULATIVE, 0, 0 }, /* modulo 2^32, as the ring's head */
	{ "ring_used", KVM_STATS_TYPE_INSTANT, 0, 0 },
	EXIT("exits_exception", EXCEPTION_NMI),
	EXIT("exits_intr", EXTERNAL_INTERRUPT),
	EXIT("exits_triple_fault", TRIPLE_FAULT),
	EXIT("exits_intr_window", INTERRUPT_WINDOW),
	EXIT("exits_nmi_window", NMI_WINDOW),
	EXIT("exits_cpuid", CPUID),
	EXIT("exits_hlt", HLT),
	EXIT("exits_rdpmc", RDPMC),
	EXIT("exits_vmcall", VMCALL),
	/* VMCLEAR to VMXON: consecutive reasons. */
	{ "exits_vmx", KVM_STATS_TYPE_CUMULATIVE, FIELD(exits) + EXIT_REASON_VMCLEAR,
	  EXIT_REASON_VMON - EXIT_REASON_VMCLEAR + 1 },
	EXIT("exits_cr", CR_ACCESS),
	EXIT("exits_dr", DR_ACCESS),
	EXIT("exits_io", IO_INSTRUCTION),
	EXIT("exits_rdmsr", MSR_READ),
	EXIT("exits_wrmsr", MSR_WRITE),
	EXIT("exits_mwait", MWAIT_INSTRUCTION),
	EXIT("exits_monitor", MONITOR_INSTRUCTION),
	EXIT("exits_pause", PAUSE_INSTRUCTION),
	EXIT("exits_tpr", TPR_BELOW_THRESHOLD),
	EXIT("exits_ept_violation", EPT_VIOLATION),
	EXIT("exits_ept_misconfig", EPT_MISCONFIG),
	EXIT("exits_preemption_timer", PREEMPTION_TIMER),
	EXIT("exits_wbinvd", WBINVD),
	EXIT("exits_xsetbv", XSETBV),
	EXIT("exits_pml_full", PML_FULL),
	{ "ept_faults", KVM_STATS_TYPE_CUMULATIVE, FIELD(faults), FAULT_KINDS },
	FAULT("faults_mapped", FAULT_MAPPED),
	FAULT("faults_restored", FAULT_RESTORED),
	FAULT("faults_split", FAULT_SPLIT),
	FAULT("faults_emulated", FAULT_EMULATED),
	FAULT("faults_retried", FAULT_RETRIED),
	VCPU("mmio", mmio),
	VCPU("pml_drains", pml_drains),
	VCPU("pml_entries", pml_entries),
	VCPU("ring_full", ring_full),
	VCPU("tlb_flushes", tlb_flushes),
	VCPU("requests", requests),
	VCPU("injections", injections),
	VCPU("sleeps", sleeps),
	STALL("stall_ring_full_ns", STALL_RING_FULL),
	STALL("stall_map_ns", STALL_MAP),
	STALL("stall_split_ns", STALL_SPLIT),
	STALL("stall_restore_ns", STALL_RESTORE),
	STALL("stall_pml_ns", STALL_PML),
	STALL("stall_flush_ns", STALL_FLUSH),
	STALL("stall_drain_ns", STALL_DRAIN),
	STALL("stall_request_ns", STALL_REQUEST),
};

enum { STAT_EXITS, STAT_EXITS_OTHER, STAT_RING_RECORDS, STAT_RING_USED }; /* their rows in it */

static_assert(ARRAY_SIZE(vcpu_rows) <= STATS_MAX);
static_assert(STAT_EXIT_OTHER > EXIT_REASON_TDCALL_INSN);

/* In the order of fill_vm(). */
static const struct stat_row vm_rows[] = {
	{ "ept_tables", KVM_STATS_TYPE_INSTANT },
	{ "ept_pages", KVM_STATS_TYPE_INSTANT }, /* of 4K, however they are mapped */
	{ "pages_4k", KVM_STATS_TYPE_INSTANT },	 /* leaves of a size, by KVM's names */
	{ "pages_2m", KVM_STATS_TYPE_INSTANT },
	{ "pages_1g", KVM_STATS_TYPE_INSTANT },
	{ "large_splits", KVM_STATS_TYPE_CUMULATIVE },
	{ "slots_logged", KVM_STATS_TYPE_INSTANT },
	{ "flushes", KVM_STATS_TYPE_CUMULATIVE },
	{ "kicks", KVM_STATS_TYPE_CUMULATIVE },
	{ "log_gets", KVM_STATS_TYPE_CUMULATIVE },
	{ "log_clears", KVM_STATS_TYPE_CUMULATIVE },
	{ "ring_resets", KVM_STATS_TYPE_CUMULATIVE },
	{ "ring_reset_entries", KVM_STATS_TYPE_CUMULATIVE },
};

/* struct kvm_stats_desc, which ends in a name of unknown length, with its room. */
struct stat_desc {
	u32 flags;
	s16 exponent;
	u16 size; /* in values */
	u32 offset;
	u32 bucket_size;
	char name[STATS_NAME_SIZE];
};

static_assert(offsetof(struct stat_desc, size) == offsetof(struct kvm_stats_desc, size));
static_assert(offsetof(struct stat_desc, offset) == offsetof(struct kvm_stats_desc, offset));
static_assert(offsetof(struct stat_desc, name) == offsetof(struct kvm_stats_desc, name));

/* What one read sees.  Userspace reads it in pieces, so nothing in it moves. */
struct stats_image {
	struct kvm_stats_header header;
	char id[STATS_NAME_SIZE];
	struct stat_desc desc[STATS_MAX];
	u64 value[STATS_MAX];
};

/* An open statistics file. */
struct stats_file {
	struct vm *vm;
	struct vcpu *vcpu; /* NULL: the VM's own */
	char id[STATS_NAME_SIZE];
};

static u64 sum(const u64 *counters, const struct stat_row *stat)
{
	u64 value = 0;
	u32 i;

	for (i = 0; i < stat->count; i++)
		value += READ_ONCE(counters[stat->first + i]);
	return value;
}

static bool is_time(const struct stat_row *stat)
{
	return (stat->type & KVM_STATS_UNIT_MASK) == KVM_STATS_UNIT_SECONDS;
}

static bool is_exit(const struct stat_row *stat)
{
	return stat->count && stat->first <= FIELD(exits[STAT_EXIT_OTHER]);
}

static void fill_vcpu(const struct vcpu *vcpu, u64 *value)
{
	const u64 *counters = (const u64 *)&vcpu->stats;
	u64 named = 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(vcpu_rows); i++) {
		value[i] = sum(counters, &vcpu_rows[i]);
		if (i != STAT_EXITS && is_exit(&vcpu_rows[i]))
			named += value[i];
		if (is_time(&vcpu_rows[i]))
			value[i] = mul_u64_u32_div(value[i], USEC_PER_SEC, tsc_khz);
	}
	/* The vCPU may have counted meanwhile: named last, and so not less. */
	value[STAT_EXITS] = max(value[STAT_EXITS], named);
	value[STAT_EXITS_OTHER] = value[STAT_EXITS] - named;
	value[STAT_RING_RECORDS] = READ_ONCE(vcpu->ring.head);
	value[STAT_RING_USED] = ring_used(&vcpu->ring);
}

static void fill_vm(const struct vm *vm, u64 *value)
{
	int level;

	*value++ = atomic_long_read(&vm->mmu.nr_tables);
	*value++ = mmu_mapped(&vm->mmu);
	for (level = 1; level <= EPT_LEAF_LEVELS; level++)
		*value++ = atomic_long_read(&vm->mmu.nr_pages[level - 1]);
	*value++ = atomic_long_read(&vm->mmu.nr_splits);
	*value++ = atomic_read(&vm->nr_logging);
	*value++ = atomic64_read(&vm->tlb_gen);
	*value++ = atomic64_read(&vm->stats.kicks);
	*value++ = READ_ONCE(vm->stats.gets);
	*value++ = READ_ONCE(vm->stats.clears);
	*value++ = READ_ONCE(vm->stats.resets);
	*value++ = READ_ONCE(vm->stats.reset_entries);
}

static void fill_image(const struct stats_file *stats, struct stats_image *image)
{
	const struct stat_row *table = stats->vcpu ? vcpu_rows : vm_rows;
	u32 i, nr = stats->vcpu ? ARRAY_SIZE(vcpu_rows) : ARRAY_SIZE(vm_rows);

	image->header = (struct kvm_stats_header){
		.name_size = STATS_NAME_SIZE,
		.num_desc = nr,
		.id_offset = offsetof(struct stats_image, id),
		.desc_offset = offsetof(struct stats_image, desc),
		.data_offset = offsetof(struct stats_image, value),
	};
	memcpy(image->id, stats->id, sizeof(image->id));
	for (i = 0; i < nr; i++) {
		struct stat_desc *desc = &image->desc[i];

		desc->flags = table[i].type | KVM_STATS_BASE_POW10;
		desc->exponent = is_time(&table[i]) ? -9 : 0;
		desc->size = 1;
		desc->offset = i * sizeof(u64);
		strscpy(desc->name, table[i].name, sizeof(desc->name));
	}
	if (stats->vcpu)
		fill_vcpu(stats->vcpu, image->value);
	else
		fill_vm(stats->vm, image->value);
}

static ssize_t stats_read(struct file *file, char __user *user, size_t size, loff_t *offset)
{
	struct stats_image *image = kzalloc(sizeof(*image), GFP_KERNEL_ACCOUNT);
	ssize_t ret;

	if (!image)
		return -ENOMEM;
	fill_image(file->private_data, image);
	ret = simple_read_from_buffer(user, size, offset, image, sizeof(*image));
	kfree(image);
	return ret;
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct stats_file *stats = file->private_data;

	vm_put(stats->vm);
	kfree(stats);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.release = stats_release,
	.llseek = noop_llseek,
};

/* The reference that @stats holds on its VM is taken by vm_fd_get(). */
static struct stats_file *stats_alloc(struct vm *vm, struct vcpu *vcpu)
{
	struct stats_file *stats = kzalloc(sizeof(*stats), GFP_KERNEL_ACCOUNT);

	if (!stats)
		return NULL;
	stats->vm = vm;
	stats->vcpu = vcpu;
	if (vcpu)
		snprintf(stats->id, sizeof(stats->id), "kvm-%d/vcpu-%u", task_tgid_nr(current),
			 vcpu->id);
	else
		snprintf(stats->id, sizeof(stats->id), "kvm-%d", task_tgid_nr(current));
	return stats;
}

long stats_fd(struct vm *vm, struct vcpu *vcpu)
{
	struct stats_file *stats = stats_alloc(vm, vcpu);
	struct vm_fd vmfd;
	int err;

	if (!stats)
		return -ENOMEM;
	err = vm_fd_get(&vmfd, vm, "vellum-stats", &stats_fops, stats);
	if (err) {
		kfree(stats);
		return err;
	}
	vmfd.file->f_mode |= FMODE_PREAD; /* it is read by offset */
	fd_install(vmfd.fd, vmfd.file);
	return vmfd.fd;
}
