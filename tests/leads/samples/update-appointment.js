var request = require('request');
var options = {
'method': 'POST',
'url': 'https://<domain>/<api prefix>/<version>/update/appointment/',
'headers': {
'apikey': '<apikey>',
'Authorization': 'Bearer <access token>'
},
formData: {
'appointment_id': '<appointment_id>'
'slug': '<lead_slug>',
'appointment_date': '<appointment_date>',
'appointment_note': '<appointment_note>',
'appointment_status': '<appointment_status>',
'appointment_to': '<appointment_to>'
}
};
request(options, function (error, response) {
if (error) throw new Error(error);
console.log(response.body);
});
