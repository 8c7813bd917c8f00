// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_GET_STATS_FD: one read-only file of header, id, descriptors and values
 * (api.rst 4.133), laid out in that order.
 */
#include <linux/anon_inodes.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "uapi/uapi.h"

#define STATS_MAX	16
#define STATS_NAME_SIZE 48 /* bytes, for an id or a name */

struct stat_name {
	const char *name;
	u32 type; /* KVM_STATS_TYPE_* */
};

/* In the order of struct vcpu_stats. */
static const struct stat_name vcpu_names[] = {
	{ "exits", KVM_STATS_TYPE_CUMULATIVE },
	{ "exits_intr", KVM_STATS_TYPE_CUMULATIVE },
	{ "exits_ept_violation", KVM_STATS_TYPE_CUMULATIVE },
	{ "exits_ept_misconfig", KVM_STATS_TYPE_CUMULATIVE },
	{ "exits_pml_full", KVM_STATS_TYPE_CUMULATIVE },
	{ "exits_io", KVM_STATS_TYPE_CUMULATIVE },
	{ "exits_cpuid", KVM_STATS_TYPE_CUMULATIVE },
	{ "exits_hlt", KVM_STATS_TYPE_CUMULATIVE },
	{ "exits_msr", KVM_STATS_TYPE_CUMULATIVE },
	{ "exits_other", KVM_STATS_TYPE_CUMULATIVE },
	{ "pml_entries", KVM_STATS_TYPE_CUMULATIVE },
	{ "ept_faults", KVM_STATS_TYPE_CUMULATIVE },
	{ "tlb_flushes", KVM_STATS_TYPE_CUMULATIVE },
};

static_assert(ARRAY_SIZE(vcpu_names) * sizeof(u64) == sizeof(struct vcpu_stats),
	      "a statistic without a name");
static_assert(ARRAY_SIZE(vcpu_names) <= STATS_MAX);

static const struct stat_name vm_names[] = {
	{ "ept_tables", KVM_STATS_TYPE_INSTANT },
	{ "ept_pages", KVM_STATS_TYPE_INSTANT },
	{ "slots_logged", KVM_STATS_TYPE_INSTANT },
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

static void fill_values(const struct stats_file *stats, u64 *value)
{
	const struct mmu *mmu = &stats->vm->mmu;

	if (stats->vcpu) {
		memcpy(value, &stats->vcpu->stats, sizeof(stats->vcpu->stats));
		return;
	}
	value[0] = atomic_long_read(&mmu->nr_tables);
	value[1] = atomic_long_read(&mmu->nr_pages);
	value[2] = atomic_read(&stats->vm->nr_logging);
}

static void fill_image(const struct stats_file *stats, struct stats_image *image)
{
	const struct stat_name *names = stats->vcpu ? vcpu_names : vm_names;
	u32 i, nr = stats->vcpu ? ARRAY_SIZE(vcpu_names) : ARRAY_SIZE(vm_names);

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

		desc->flags = names[i].type | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10;
		desc->size = 1;
		desc->offset = i * sizeof(u64);
		strscpy(desc->name, names[i].name, sizeof(desc->name));
	}
	fill_values(stats, image->value);
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
