"""What people take out of the portal: pictures, studies as files, copies that name nobody."""
