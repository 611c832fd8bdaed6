# mdca_block: block list rendered by logweir; change its sources, not this file
/ip dns static remove [find comment=mdca_block]
/ip dns static
add comment=mdca_block match-subdomain=yes name=example-storage.com type=NXDOMAIN
add comment=mdca_block match-subdomain=yes name=llllllllllllllllllllllllllllllllllllllllllllllllllllllllllll.oooooooooooooooooooooooooooooooooooooooo.example type=NXDOMAIN
add comment=mdca_block match-subdomain=yes name=xn--bcher-kva.example type=NXDOMAIN
add comment=mdca_block regexp="\\.example-chat\\.net\$" type=NXDOMAIN
add comment=mdca_block name=files.example.org type=NXDOMAIN
add comment=mdca_block name=www.files.example.org type=NXDOMAIN
